"""Python byte code, made by the very Python of the packages, for the machine that builds.

Byte code is the same for every architecture, so that a base for another machine gets its own too.
It takes the place of the sources: with it a program starts several times as fast, and with both the
image would be a third larger. The header names the source by its hash and asks for no check, so that
neither times nor paths of the build are in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from msgspec import structs

from laststage.base.cutting import Cut
from laststage.errors import MachineError
from laststage.oci.layers import Piece
from laststage.sandbox.runtime import Runner
from laststage.sandbox.spec import SandboxSpec
from laststage.store.snapshots import Snapshots
from laststage.tree.unpack import Unpacker

# The modules that it imports are part of the interpreter. One process compiles all sources, in order
# of name: what byte code says of shared constants depends on what was compiled before.
_SCRIPT = """\
import _frozen_importlib_external as importer
import _imp, marshal, os, sys

for name in sorted(os.listdir("/work/in")):
    with open("/work/in/" + name, "rb") as file:
        source = file.read()
    path = "/" + name.replace("%2F", "/").replace("%25", "%")
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    digest = _imp.source_hash(importer._RAW_MAGIC_NUMBER, source)
    with open("/work/out/" + name, "wb") as file:
        file.write(importer._code_to_hash_pyc(code, digest, False))
"""
_WORK = "work"
_PIECE = 1 << 20


def byte_code(
    kept: dict[str, Piece], tools: Sequence[Cut], snapshots: Snapshots, runner: Runner
) -> dict[str, Piece]:
    """Return *kept* with each Python source replaced by its byte code.

    *tools* are the slices that make up a Python. Raise MachineError if it cannot be run.
    """
    sources = {
        path: content
        for path, (_, content) in kept.items()
        if path.endswith(".py") and isinstance(content, bytes)
    }
    with snapshots.staging() as folder:
        root = f"{folder}/fs"
        _lay_out(root, tools)
        for part in ("in", "out"):
            os.makedirs(f"{root}/{_WORK}/{part}")
        for path, content in sources.items():
            with open(f"{root}/{_WORK}/in/{_flat(path)}", "wb") as file:
                file.write(content)
        _run(root, runner)
        compiled = dict(kept)
        for path, (entry, _) in kept.items():
            if not path.endswith(".py"):
                continue
            del compiled[path]
            target = f"{path}c"
            if entry.kind == "symlink":
                linked = structs.replace(entry, path=target, link=f"{entry.link}c")
                compiled[target] = (linked, None)
                continue
            with open(f"{root}/{_WORK}/out/{_flat(path)}", "rb") as file:
                code = file.read()
            compiled[target] = (structs.replace(entry, path=target, size=len(code)), code)
    return compiled


def _lay_out(root: str, tools: Sequence[Cut]) -> None:
    unpacker = Unpacker(root)
    for name in ("lib", "lib64"):
        os.symlink(f"usr/{name}", f"{root}/{name}")
    for cut in tools:
        for entry, content in cut.pieces():
            if isinstance(content, str):
                with open(content, "rb") as file:
                    unpacker.add(entry, iter(partial(file.read, _PIECE), b""))
            else:
                unpacker.add(entry, iter((content,) if content else ()))
    unpacker.close()


def _run(root: str, runner: Runner) -> None:
    [interpreter] = [name for name in os.listdir(f"{root}/usr/bin") if name.startswith("python3.")]
    said: list[str] = []
    spec = SandboxSpec(
        root=root,
        argv=(f"/usr/bin/{interpreter}", "-S", "-s", "-P", "-B", "-X", "utf8", "-c", _SCRIPT),
        env=(("PATH", "/usr/bin"), ("PYTHONHASHSEED", "0")),
        network="none",
    )
    status = runner.run(spec, said.append)
    if status != 0:
        raise MachineError(
            f"the Python of the packages could not compile its library: exit status {status}",
            hint="what it said last: " + " | ".join(said[-5:]),
        )


def _flat(path: str) -> str:
    return path.replace("%", "%25").replace("/", "%2F")

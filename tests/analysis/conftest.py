"""Real ELF files, made by the machine's compiler, and images made of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from laststage.analysis.tree import Tree
from laststage.oci.layerstore import Layers
from laststage.store.root import Store
from laststage.tree.entry import Entry

# A file by its content, or a symbolic link by "-> target".
Files = Mapping[str, bytes | str]


class Compiler:
    """Makes small programs and libraries that need what they are told to, each only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[object, bytes] = {}

    def library(
        self,
        soname: str,
        needs: Sequence[str] = (),
        *flags: str,
        versions: Mapping[str, str] | None = None,
        wants: Mapping[str, Mapping[str, str]] | None = None,
    ) -> bytes:
        """Return a library. *versions* are its symbols, each with its version; *wants* are symbols
        that it takes from the libraries that it needs, with the versions that these then have.
        """
        flags = ("-shared", *([f"-Wl,-soname,{soname}"] if soname else []), *flags)
        return self._make(needs, flags, versions or {}, wants or {})

    def program(
        self,
        needs: Sequence[str] = (),
        *flags: str,
        interpreter: str = "/lib64/ld-linux-x86-64.so.2",
        wants: Mapping[str, Mapping[str, str]] | None = None,
    ) -> bytes:
        """Return a program that needs the libraries *needs* and a dynamic linker."""
        own = ("-pie", f"-Wl,--dynamic-linker={interpreter}", "-Wl,-e,start")
        return self._make(needs, (*own, *flags), {}, wants or {})

    def static(self, *flags: str) -> bytes:
        """Return a program that needs nothing."""
        return self._make((), ("-static", "-Wl,-e,start", *flags), {}, {})

    def _make(
        self,
        needs: Sequence[str],
        flags: Sequence[str],
        versions: Mapping[str, str],
        wants: Mapping[str, Mapping[str, str]],
    ) -> bytes:
        key = repr((needs, flags, versions, wants))
        if key not in self._made:
            self._made[key] = self._compiled(needs, flags, versions, wants)
        return self._made[key]

    def _compiled(
        self,
        needs: Sequence[str],
        flags: Sequence[str],
        versions: Mapping[str, str],
        wants: Mapping[str, Mapping[str, str]],
    ) -> bytes:
        here = self._folder / f"{len(self._made)}-{os.urandom(4).hex()}"
        here.mkdir()
        lines = ["int start(void) { return 0; }"]
        for symbols in wants.values():
            lines += [f"extern int {name}(void);" for name in symbols]
        used = [name for symbols in wants.values() for name in symbols]
        lines.append(f"int own(void) {{ return {' + '.join(f'{name}()' for name in used) or 0}; }}")
        lines += [f"int {name}(void) {{ return 1; }}" for name in versions]
        (here / "source.c").write_text("\n".join(lines))
        if versions:
            script = "".join(
                f"{v} {{ global: {'; '.join(n for n in versions if versions[n] == v)}; }};\n"
                for v in dict.fromkeys(versions.values())
            )
            (here / "versions").write_text(script)
            flags = (*flags, f"-Wl,--version-script={here / 'versions'}")
        stubs = []
        for position, name in enumerate(needs):
            stub = here / f"stub{position}.so"
            stub.write_bytes(self.library(name, versions=wants.get(name)))
            stubs.append(str(stub))
        command = ["gcc", "-O0", "-fPIC", "-fno-asynchronous-unwind-tables", "-nostdlib"]
        command += ["-o", "result", "source.c", "-Wl,--no-as-needed", *stubs, *flags]
        subprocess.run(command, cwd=here, check=True, capture_output=True)
        return (here / "result").read_bytes()


@pytest.fixture(scope="session")
def gcc(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    """Return what makes ELF files for x86-64."""
    try:
        machine = subprocess.run(
            ["gcc", "-dumpmachine"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs gcc")
    if not machine.stdout.startswith("x86_64"):
        pytest.skip("needs a gcc for x86-64")
    return Compiler(tmp_path_factory.mktemp("elf"))


@pytest.fixture
def layers(store: Store) -> Layers:
    """Return the layers of an empty store."""
    return Layers(store, opaque=lambda: "user.overlay.opaque")


@pytest.fixture
def add_folder(layers: Layers) -> Callable[[Files], str]:
    """Return a function that makes a layer in the form of a folder; it returns its identifier."""

    def add(files: Files) -> str:
        identifier = os.urandom(8).hex()
        with layers.snapshots.staging() as folder:
            for name, content in files.items():
                path = Path(folder, "fs", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, str):
                    path.symlink_to(content.removeprefix("-> "))
                else:
                    path.write_bytes(content)
            layers.snapshots.commit(folder, identifier)
        return identifier

    return add


@pytest.fixture
def add_blob(layers: Layers) -> Callable[[Files], str]:
    """Return a function that makes a layer in the form of a blob; it returns its identifier."""

    def add(files: Files) -> str:
        identifier = os.urandom(8).hex()
        pieces = []
        for name, content in sorted(files.items()):
            if isinstance(content, str):
                link = content.removeprefix("-> ")
                pieces.append((Entry(name, "symlink", mode=0o777, link=link), None))
            else:
                pieces.append((Entry(name, "file", mode=0o755, size=len(content)), content))
        layers.write_blob(identifier, 0, pieces)
        return identifier

    return add


@pytest.fixture(params=["folder", "blob"])
def add_layer(request: pytest.FixtureRequest) -> Callable[[Files], str]:
    """Return `add_folder`, then `add_blob`."""
    found: Callable[[Files], str] = request.getfixturevalue(f"add_{request.param}")
    return found


@pytest.fixture
def tree(layers: Layers, add_folder: Callable[[Files], str]) -> Callable[..., Tree]:
    """Return a function that makes an image of layers, each given as its files."""

    def make(*files: Files) -> Tree:
        return Tree(layers, [add_folder(one) for one in files])

    return make

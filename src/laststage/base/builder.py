"""Builder bases: a Debian with dpkg, unpacked here and configured in the sandbox.

The packages are unpacked as dpkg would and its database written; then their own scripts run, by
dpkg, in the root file system that they made: the one place where code of a package is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from laststage.base.recipe import BuilderRecipe
from laststage.debian.deb import Deb
from laststage.debian.sources import Mirrors
from laststage.errors import MachineError
from laststage.sandbox.runtime import Runner
from laststage.sandbox.spec import SandboxSpec
from laststage.tree.unpack import Unpacker
from laststage.tree.untar import entries

_THREADS = 2  # one decompresses while the other writes
_DATABASE = "var/lib/dpkg"
_SCRIPT = """\
set -e
cd /
for package in {preinst}; do
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=${{package%%:*}} \
    DPKG_MAINTSCRIPT_ARCH={architecture} {database}/info/$package.preinst install
done
dpkg --force-unsafe-io --force-depends --configure --pending
"""
_ENV = (
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
)
# Traces of the installation, with times in them, and what apt makes again.
_LEFTOVERS = (
    "var/log/dpkg.log",
    "var/log/bootstrap.log",
    "var/log/alternatives.log",
    "var/log/apt",
    "var/cache/debconf",
    "var/cache/apt",
    "var/cache/ldconfig",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/available-old",
    "etc/machine-id",
)


class _Unpacked(Struct, frozen=True):
    name: str
    stanza: str
    has_preinst: bool


def build_tree(
    root: str,
    recipe: BuilderRecipe,
    suite: str,
    paths: Sequence[str],
    *,
    architecture: str,
    mirrors: Mirrors | None,
    runner: Runner,
    output: Callable[[str], None],
) -> None:
    """Make the builder in the empty folder *root* from the packages at *paths*, in their order.

    *output* gets what the packages' scripts say. Raise MachineError if one of them fails.
    """
    output(f"unpacking {len(paths)} packages")
    _unpack_all(root, paths)
    _complete(root, recipe, suite, mirrors)
    unpacked = [_read_database_entry(root, path) for path in paths]
    _write_database(root, unpacked, architecture)
    preinst = " ".join(package.name for package in unpacked if package.has_preinst)
    script = _SCRIPT.format(preinst=preinst, architecture=architecture, database=f"/{_DATABASE}")
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        output(line)

    spec = SandboxSpec(root=root, argv=("/usr/bin/dash", "-c", script), env=_ENV)
    status = runner.run(spec, hear)
    if status != 0:
        raise MachineError(
            f"the packages of {recipe.names[0]} could not be configured: exit status {status}",
            hint="what dpkg said last: " + " | ".join(said[-5:]),
        )
    _clean(root)


def _unpack_all(root: str, paths: Sequence[str]) -> None:
    """Unpack the packages: first base-files, whose links the others' paths go through."""
    first = [path for path in paths if _package_name(path) == "base-files"]
    for path in first:
        _unpack_one(root, path)
    rest = sorted(set(paths) - set(first), key=os.path.getsize, reverse=True)
    with ThreadPoolExecutor(_THREADS, "unpack") as pool:
        for result in [pool.submit(_unpack_one, root, path) for path in rest]:
            result.result()


def _package_name(path: str) -> str:
    with Deb.open(path) as deb:
        return _field(deb.control, "Package")


def _unpack_one(root: str, path: str) -> None:
    unpacker = Unpacker(root)
    with Deb.open(path) as deb:
        name = _info_name(deb.control)
        listed = []
        for entry, content in entries(deb.data(), name, whiteouts=False):
            listed.append(f"/{entry.path}" if entry.path else "/.")
            if entry.path:
                unpacker.add(entry, content.pieces())
        unpacker.close()
        info = f"{root}/{_DATABASE}/info"
        os.makedirs(info, exist_ok=True)
        files = {key: data for key, data in deb.control_files.items() if key != "control"}
        files["list"] = "".join(f"{line}\n" for line in listed).encode()
        for key, data in files.items():
            target = f"{info}/{name}.{key}"
            with open(target, "wb") as file:
                file.write(data)
            script = key in ("preinst", "postinst", "prerm", "postrm", "config")
            os.chmod(target, 0o755 if script else 0o644)


def _read_database_entry(root: str, path: str) -> _Unpacked:
    with Deb.open(path) as deb:
        stanza, files = deb.control, deb.control_files
    name = _info_name(stanza)
    lines = stanza.rstrip("\n").splitlines()
    lines.insert(1, "Status: install ok unpacked")
    conffiles = [
        line.strip() for line in files.get("conffiles", b"").decode().splitlines() if line.strip()
    ]
    sums = [f" {file} {_md5(root + file)}" for file in conffiles if file.startswith("/")]
    if sums:
        lines += ["Conffiles:", *sums]
    return _Unpacked(name, "\n".join(lines) + "\n", "preinst" in files)


def _write_database(root: str, unpacked: list[_Unpacked], architecture: str) -> None:
    database = f"{root}/{_DATABASE}"
    for folder in ("info", "updates", "triggers", "alternatives", "parts"):
        os.makedirs(f"{database}/{folder}", exist_ok=True)
    texts = {
        "status": "\n".join(package.stanza for package in unpacked),
        "arch": f"{architecture}\n",
        "available": "",
        "diversions": "",
        "statoverride": "",
        "info/format": "1\n",
    }
    for name, text in texts.items():
        with open(f"{database}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _complete(root: str, recipe: BuilderRecipe, suite: str, mirrors: Mirrors | None) -> None:
    """Add what the recipe wants beside the packages, and where apt finds more of them."""
    for directory in recipe.directories:
        full = f"{root}/{directory.path}"
        os.makedirs(full, exist_ok=True)
        os.chown(full, directory.owner, directory.owner)
        os.chmod(full, directory.mode)
    for path, target in recipe.links.items():
        os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
        os.symlink(target, f"{root}/{path}")
    if mirrors is not None:
        _write_sources(root, suite, mirrors)


def _write_sources(root: str, suite: str, mirrors: Mirrors) -> None:
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    if not os.path.exists(root + keyring):
        keyring = keyring.removesuffix("gpg") + "pgp"
    folder = f"{root}/etc/apt/sources.list.d"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/debian.sources", "w", encoding="utf-8") as file:
        file.writelines(
            f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\n"
            f"Signed-By: {keyring}\n\n"
            for address, suites in (
                (mirrors.archive, f"{suite} {suite}-updates"),
                (mirrors.security, f"{suite}-security"),
            )
        )


def _clean(root: str) -> None:
    for name in _LEFTOVERS:
        path = f"{root}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
            os.mkdir(path, 0o755)
        elif os.path.lexists(path):
            os.unlink(path)
    os.makedirs(f"{root}/var/cache/apt/archives/partial", exist_ok=True)


def _info_name(stanza: str) -> str:
    """Return the name that dpkg gives a package's files: with the architecture if several fit."""
    name = _field(stanza, "Package")
    if _field(stanza, "Multi-Arch") == "same":
        return f"{name}:{_field(stanza, 'Architecture')}"
    return name


def _field(stanza: str, name: str) -> str:
    for line in stanza.splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


def _md5(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()

"""Builder bases: a Debian with dpkg, unpacked here and configured in the sandbox.

The packages are unpacked as dpkg would and its database written; then their own scripts run, by
dpkg, in the root file system that they made: the one place where code of a package is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from laststage.base.artifacts import Artifact, unpack_artifact
from laststage.base.recipe import BuilderRecipe
from laststage.base.toolchain import Toolchain
from laststage.debian.deb import Deb
from laststage.debian.sources import Mirrors
from laststage.errors import MachineError
from laststage.sandbox.runtime import Runner
from laststage.sandbox.spec import SandboxSpec
from laststage.tree.entry import Entry
from laststage.tree.marks import set_owner
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


# What slim Debian images leave out, once for us and once for the dpkg inside.
_DOCUMENTATION = (
    "usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/groff/", "usr/share/locale/",
    "usr/share/lintian/", "usr/share/linda/",
)  # fmt: skip
_EXCLUDES = """\
# laststage: no documentation in this builder, as in Debian's slim images
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/groff/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
"""
_INTERESTS = ("interest", "interest-await", "interest-noawait")
_EXCLUDES_FILE = "etc/dpkg/dpkg.cfg.d/laststage"


class Parts(Struct, frozen=True, kw_only=True):
    """What one layer of a builder is made of.

    *packages* are paths of package files in the order in which they can be set up; *artifacts* have
    theirs beside them. Only the layer of a toolchain has one. *is_first* is true for the lowest.
    """

    recipe: BuilderRecipe
    toolchain: Toolchain | None
    suite: str
    packages: tuple[str, ...]
    artifacts: tuple[tuple[Artifact, str], ...]
    version: str
    has_documentation: bool
    is_first: bool


class _Unpacked(Struct, frozen=True):
    name: str
    stanza: str
    has_preinst: bool
    triggers: str


def build_tree(
    root: str,
    parts: Parts,
    *,
    architecture: str,
    mirrors: Mirrors | None,
    runner: Runner,
    output: Callable[[str], None],
) -> None:
    """Add *parts* to the folder *root*, which is empty or holds the layers below.

    *output* gets what the packages' scripts say. Raise MachineError if one of them fails.
    """
    if parts.is_first:
        _prepare(root, parts, architecture)
    if parts.packages:
        output(f"unpacking {len(parts.packages)} packages")
        unpacked = _unpack_all(root, parts)
        if parts.is_first:
            _complete_system(root, parts, mirrors)
        _write_database(root, unpacked, architecture)
        _register_triggers(root, unpacked)
        _configure(root, parts, unpacked, architecture, runner, output)
    if parts.toolchain is not None:
        _unpack_artifacts(root, parts, parts.toolchain, output)
        _complete(root, parts, parts.toolchain, architecture)
    _clean(root)


def _configure(
    root: str,
    parts: Parts,
    unpacked: list[_Unpacked],
    architecture: str,
    runner: Runner,
    output: Callable[[str], None],
) -> None:
    """Let dpkg run the packages' own scripts in the root file system at *root*."""
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
            f"the packages of {parts.recipe.names[0]} could not be configured: exit status {status}",
            hint="what dpkg said last: " + " | ".join(said[-5:]),
        )


def _prepare(root: str, parts: Parts, architecture: str) -> None:
    """Make what must be there before the first package."""
    if parts.suite == "bookworm":  # its packages expect the merged /usr that its installer makes
        for name in ("bin", "sbin", "lib", *(("lib64",) if architecture == "amd64" else ())):
            os.makedirs(f"{root}/usr/{name}")
            os.symlink(f"usr/{name}", f"{root}/{name}")
    for section in range(1, 10):  # where alternatives put links, whether pages are there or not
        os.makedirs(f"{root}/usr/share/man/man{section}")
    if not parts.has_documentation:
        os.makedirs(f"{root}/{os.path.dirname(_EXCLUDES_FILE)}")
        with open(f"{root}/{_EXCLUDES_FILE}", "w", encoding="utf-8") as file:
            file.write(_EXCLUDES)


def _unpack_all(root: str, parts: Parts) -> list[_Unpacked]:
    """Unpack the packages: first base-files, whose links the others' paths go through."""
    paths = parts.packages
    excluded = not parts.has_documentation
    first = [path for path in paths if parts.is_first and _package_name(path) == "base-files"]
    found = {path: _unpack_one(root, path, excluded) for path in first}
    rest = sorted(set(paths) - set(first), key=os.path.getsize, reverse=True)
    with ThreadPoolExecutor(_THREADS, "unpack") as pool:
        results = pool.map(lambda path: _unpack_one(root, path, excluded), rest)
        found |= zip(rest, results, strict=True)
    return [found[path] for path in paths]


def _package_name(path: str) -> str:
    with Deb.open(path) as deb:
        return _field(deb.control, "Package")


def _unpack_one(root: str, path: str, excluded: bool) -> _Unpacked:
    unpacker = Unpacker(root)
    with Deb.open(path) as deb:
        name = _info_name(deb.control)
        listed = []
        for entry, content in entries(deb.data(), name, whiteouts=False):
            listed.append(f"/{entry.path}" if entry.path else "/.")
            if entry.path and not (excluded and _is_documentation(entry)):
                unpacker.add(entry, content.pieces())
        unpacker.close()
        control, files = deb.control, deb.control_files
    _write_info(root, name, listed, files)
    return _database_entry(root, name, control, files)


def _unpack_artifacts(
    root: str, parts: Parts, toolchain: Toolchain, output: Callable[[str], None]
) -> None:
    with ThreadPoolExecutor(_THREADS, "unpack") as pool:
        futures = []
        for rule, (artifact, path) in zip(toolchain.artifacts, parts.artifacts, strict=True):
            output(f"unpacking {artifact.name} {artifact.version}")
            futures.append(pool.submit(unpack_artifact, path, rule, artifact, root))
        for future in futures:
            future.result()


def _is_documentation(entry: Entry) -> bool:
    """Whether *entry* is what slim images leave out, folders included."""
    path = entry.path
    if not path.startswith(_DOCUMENTATION):
        return False
    if path.startswith("usr/share/doc/"):
        return entry.name != "copyright" and not (entry.kind == "symlink" and path.count("/") == 3)
    return path != "usr/share/locale/locale.alias"


def _write_info(root: str, name: str, listed: list[str], control: dict[str, bytes]) -> None:
    info = f"{root}/{_DATABASE}/info"
    os.makedirs(info, exist_ok=True)
    files = {key: data for key, data in control.items() if key != "control"}
    files["list"] = "".join(f"{line}\n" for line in listed).encode()
    for key, data in files.items():
        target = f"{info}/{name}.{key}"
        with open(target, "wb") as file:
            file.write(data)
        script = key in ("preinst", "postinst", "prerm", "postrm", "config")
        os.chmod(target, 0o755 if script else 0o644)


def _database_entry(root: str, name: str, stanza: str, files: dict[str, bytes]) -> _Unpacked:
    lines = stanza.rstrip("\n").splitlines()
    lines.insert(1, "Status: install ok unpacked")
    conffiles = [
        line.strip() for line in files.get("conffiles", b"").decode().splitlines() if line.strip()
    ]
    sums = [f" {file} {_md5(root + file)}" for file in conffiles if file.startswith("/")]
    if sums:
        lines += ["Conffiles:", *sums]
    triggers = files.get("triggers", b"").decode("utf-8", "replace")
    return _Unpacked(name, "\n".join(lines) + "\n", "preinst" in files, triggers)


def _write_database(root: str, unpacked: list[_Unpacked], architecture: str) -> None:
    database = f"{root}/{_DATABASE}"
    texts = {"status": "\n".join(package.stanza for package in unpacked)}
    if os.path.exists(f"{database}/status"):
        with open(f"{database}/status", encoding="utf-8") as file:
            texts["status"] = file.read().rstrip("\n") + "\n\n" + texts["status"]
    else:
        for folder in ("info", "updates", "triggers", "alternatives", "parts"):
            os.makedirs(f"{database}/{folder}", exist_ok=True)
        texts |= {
            "arch": f"{architecture}\n",
            "available": "",
            "diversions": "",
            "statoverride": "",
            "info/format": "1\n",
        }
    for name, text in texts.items():
        with open(f"{database}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _register_triggers(root: str, unpacked: list[_Unpacked]) -> None:
    """Write down who wants to be told of what, as dpkg does when it unpacks."""
    wanted: dict[str, list[str]] = {}
    for package in unpacked:
        for line in package.triggers.splitlines():
            words = line.split()
            if len(words) != 2 or words[0] not in _INTERESTS:
                continue
            who = package.name + ("/noawait" if words[0].endswith("noawait") else "")
            if words[1].startswith("/"):
                wanted.setdefault("File", []).append(f"{words[1]} {who}")
            else:
                wanted.setdefault(words[1], []).append(who)
    for name, lines in wanted.items():
        with open(f"{root}/{_DATABASE}/triggers/{name}", "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def _complete_system(root: str, parts: Parts, mirrors: Mirrors | None) -> None:
    """Tell apt where it finds more packages."""
    if mirrors is not None:
        _write_sources(root, parts.suite, mirrors)


def _complete(root: str, parts: Parts, toolchain: Toolchain, architecture: str) -> None:
    """Add what the recipe wants beside packages and artifacts, and take away what is in the way."""

    def filled(text: str) -> str:
        text = text.replace("{version}", parts.version)
        return text.replace("{architecture}", architecture)

    for directory in parts.recipe.directories:
        full = f"{root}/{directory.path}"
        os.makedirs(full, exist_ok=True)
        os.chmod(full, directory.mode)
        set_owner(full, directory.owner, directory.owner)
    for item in parts.recipe.files:
        os.makedirs(os.path.dirname(f"{root}/{item.path}"), exist_ok=True)
        with open(f"{root}/{item.path}", "w", encoding="utf-8") as file:
            file.write(item.content.removeprefix("\n"))
    for path, target in {**parts.recipe.links, **toolchain.links}.items():
        full = f"{root}/{filled(path)}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.lexists(full):
            os.unlink(full)
        os.symlink(filled(target), full)
    for path in toolchain.removed:
        os.unlink(f"{root}/{filled(path)}")


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

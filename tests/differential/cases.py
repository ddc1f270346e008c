"""A case: a Dockerfile, what its context holds, and how it is built; one TOML file each.

dockerfile = '''...'''     the text; `base` and `rich` are the images in bases/
name = "Dockerfile"        what the file is called in the context
target, args, secrets, flags, epoch
                           --target; --build-arg and --secret by name; more flags for both tools
fails = true               both tools must refuse it
times = true               files' times of change count too; in the context they are MTIME
also_ignored = true        the Dockerfile is not put into the context but beside it

[files]                    the context
"a" = "content"                                  a file
"b" = { content = "c", mode = 0o600, mtime = 1, uid = 1, gid = 1, xattrs = { "user.a" = "b" } }
"d/" = { mode = 0o700 }                          a directory
"l" = { link = "a" }                             a symlink
"h" = { hardlink = "a" }
"p" = { fifo = true }                            also: char = [1, 3], block = [7, 0]
"t.tar.gz" = { tar = { "x" = "..." } }           an archive of such files, packed as its name says
"n" = { content = "c", name = "caf%E9" }         a name that TOML cannot hold
"z" = { base64 = "..." }                         content that TOML cannot hold

[expect]                   what must come out, for what the Docker of the suite does not know
over = "base"              the image that [expect.files] is a change of
fails = true               laststage must refuse it
[expect.files]             path = "file 0644 0:0 'content'", as images.describe writes it, or "absent"
[expect.config]            field = value; fields not named here are not looked at
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tomllib
import urllib.parse
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
BASES = Path(__file__).parent / "bases"
MTIME = 1_600_000_000

_KEYS = {
    "also_ignored", "args", "dockerfile", "epoch", "expect", "fails", "files", "flags", "name",
    "secrets", "target", "times",
}  # fmt: skip
_EXPECT = {"config", "fails", "files", "over"}
_FILE = {
    "base64", "block", "char", "content", "fifo", "gid", "hardlink", "link", "mode", "mtime",
    "name", "tar", "uid", "xattrs",
}  # fmt: skip


class Case:
    """One file of the corpus."""

    def __init__(self, path: Path) -> None:
        self.id = str(path.relative_to(path.parent.parent).with_suffix(""))
        raw = tomllib.loads(path.read_text())
        _known(self.id, raw, _KEYS)
        self.dockerfile: str = raw["dockerfile"]
        self.name: str = raw.get("name", "Dockerfile")
        self.target: str = raw.get("target", "")
        self.args: dict[str, str] = raw.get("args", {})
        self.secrets: dict[str, str] = raw.get("secrets", {})
        self.flags: list[str] = raw.get("flags", [])
        self.epoch: int | None = raw.get("epoch")
        self.fails: bool = raw.get("fails", False)
        self.times: bool = raw.get("times", False)
        self.files: dict[str, Any] = raw.get("files", {})
        self.also_ignored: bool = raw.get("also_ignored", False)
        self.expect: dict[str, Any] | None = raw.get("expect")
        _known(self.id, self.expect or {}, _EXPECT)

    def lay_out(self, folder: Path) -> None:
        """Write the context, the Dockerfile and the secrets below *folder*, which is empty."""
        context = folder / "context"
        context.mkdir(parents=True)
        place = folder if self.also_ignored else context
        (place / self.name).write_text(self.dockerfile, newline="")
        write_files(context, self.files)
        for name, content in self.secrets.items():
            (folder / f"secret-{name}").write_text(content)

    def arguments(self, folder: Path) -> list[str]:
        """Return what both tools get to read: they take the same flags."""
        found = ["-f", str(folder / ("" if self.also_ignored else "context") / self.name)]
        if self.target:
            found += ["--target", self.target]
        for name, value in self.args.items():
            found += ["--build-arg", f"{name}={value}"]
        for name in self.secrets:
            found += ["--secret", f"id={name},src={folder}/secret-{name}"]
        return [*found, *self.flags, str(folder / "context")]


def all_cases() -> list[Case]:
    """Return every case of the corpus."""
    return [Case(path) for path in sorted(CORPUS.glob("*/*.toml"))]


def write_files(root: Path, files: dict[str, Any]) -> None:
    """Create *files* below *root*: hard links last, then the directories' times."""
    for name, value in sorted(files.items(), key=lambda pair: "hardlink" in pair[1]):
        _write(root, name, _spec(name, value))
    for folder, _, _ in os.walk(root):
        os.utime(folder, (MTIME, MTIME))
    for name, value in files.items():
        spec = _spec(name, value)
        if "mtime" in spec:
            path = _path(root, name, spec)
            os.utime(path, (spec["mtime"], spec["mtime"]), follow_symlinks=False)


def _write(root: Path, name: str, spec: dict[str, Any]) -> None:
    path = _path(root, name, spec)
    os.makedirs(os.path.dirname(path.rstrip(b"/")), exist_ok=True)
    mode = spec.get("mode", 0o755 if name.endswith("/") or "tar" in spec else 0o644)
    if name.endswith("/"):
        os.makedirs(path, exist_ok=True)
    elif "link" in spec:
        os.symlink(spec["link"], path)
    elif "hardlink" in spec:
        os.link(root / spec["hardlink"], path)
        return
    elif "fifo" in spec:
        os.mkfifo(path)
    elif "char" in spec:
        os.mknod(path, stat.S_IFCHR, os.makedev(*spec["char"]))
    elif "block" in spec:
        os.mknod(path, stat.S_IFBLK, os.makedev(*spec["block"]))
    else:
        with open(path, "wb") as file:
            file.write(_content(name, spec))
    os.chown(path, spec.get("uid", 0), spec.get("gid", 0), follow_symlinks=False)
    if "link" not in spec:
        os.chmod(path, mode)
    for key, value in spec.get("xattrs", {}).items():
        os.setxattr(path, key, value.encode(), follow_symlinks=False)
    os.utime(path, (MTIME, MTIME), follow_symlinks=False)


def _content(name: str, spec: dict[str, Any]) -> bytes:
    if "base64" in spec:
        return base64.b64decode(spec["base64"])
    if "tar" not in spec:
        return spec.get("content", "").encode()
    content = _archive(spec["tar"])
    if name.endswith((".gz", ".tgz")):
        return gzip.compress(content, mtime=0)
    if name.endswith(".bz2"):
        return bz2.compress(content)
    if name.endswith(".xz"):
        return lzma.compress(content)
    return content


def _archive(files: dict[str, Any]) -> bytes:
    """Return a tar of *files*, in their order, with nothing of this machine in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, value in files.items():
            spec = _spec(name, value)
            entry = tarfile.TarInfo(os.fsdecode(urllib.parse.unquote_to_bytes(spec["name"])))
            content = spec.get("content", "").encode()
            entry.size = len(content)
            entry.mode = spec.get("mode", 0o755 if name.endswith("/") else 0o644)
            entry.mtime = spec.get("mtime", MTIME)
            entry.uid, entry.gid = spec.get("uid", 0), spec.get("gid", 0)
            for kind, type_ in _TAR_TYPES.items():
                if kind in spec:
                    entry.type, entry.size = type_, 0
            if name.endswith("/"):
                entry.type = tarfile.DIRTYPE
            entry.linkname = spec.get("link", spec.get("hardlink", ""))
            if "char" in spec:
                entry.devmajor, entry.devminor = spec["char"]
            xattrs = spec.get("xattrs", {})
            entry.pax_headers = {f"SCHILY.xattr.{key}": text for key, text in xattrs.items()}
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


_TAR_TYPES = {
    "link": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "char": tarfile.CHRTYPE,
}


def _spec(name: str, value: Any) -> dict[str, Any]:
    spec = {"content": value} if isinstance(value, str) else dict(value)
    _known(name, spec, _FILE)
    spec.setdefault("name", urllib.parse.quote(name))
    return spec


def _path(root: Path, name: str, spec: dict[str, Any]) -> bytes:
    return os.fsencode(root) + b"/" + urllib.parse.unquote_to_bytes(spec["name"])


def _known(where: str, table: dict[str, Any], keys: set[str]) -> None:
    if unknown := set(table) - keys:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")

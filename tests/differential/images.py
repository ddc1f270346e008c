"""An image as a person can compare it: each path of its merged files, each field of its config.

The layers' archives are applied here, whiteouts and all, by code that neither tool shares.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

CONFIG_FIELDS = (
    "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell",
    "StopSignal", "User", "Volumes", "WorkingDir",
)  # fmt: skip

Tree = dict[str, "Node"]

_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


class LayerError(Exception):
    """An archive that no image may hold as a layer."""


class Node:
    """What is at a path; two paths with the same node are hard links of each other."""

    def __init__(self, kind: str, text: str, mtime: int) -> None:
        self.kind = kind
        self.text = text
        self.mtime = mtime


class Image:
    """The merged files and the config of one image."""

    def __init__(self, tree: Tree, config: dict[str, Any]) -> None:
        self.tree = tree
        self.config = config

    def described(self, *, times: bool = False) -> dict[str, str]:
        """Return a line for each path and each config field that is set."""
        links: dict[int, list[str]] = {}
        for path, node in sorted(self.tree.items()):
            links.setdefault(id(node), []).append(path)
        found = {}
        for path, node in self.tree.items():
            text = node.text
            same = [other for other in links[id(node)] if other != path]
            if same:
                text += f" = {' = '.join(same)}"
            if times and node.kind != "dir":  # a directory's is that of the last entry put into it
                text += f" @{node.mtime}"
            found[path] = text
        for field in (*CONFIG_FIELDS, "author"):
            value = self.config.get(field)
            if value not in (None, "", [], {}):
                found[f"config.{field}"] = json.dumps(value, sort_keys=True)
        return found


class Layers:
    """Reads layers, each once."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[str, str, Node | str]]] = {}

    def merged(self, paths: list[Path]) -> Tree:
        """Return the files that the layers in *paths* make, the lowest first."""
        tree: Tree = {"/": Node("dir", "dir 0755 0:0", 0)}
        for path in paths:
            real = str(path.resolve())
            if real not in self._known:
                self._known[real] = _read(path)
            _apply(tree, self._known[real])
        return tree


def _read(path: Path) -> list[tuple[str, str, Node | str]]:
    """Return the entries of a layer: path, kind, and a node or a hard link's target."""
    entries: list[tuple[str, str, Node | str]] = []
    seen = set()
    # whichever compression the layer has
    with tarfile.open(path, mode="r:*") as tar:
        for member in tar:
            name = _absolute(member.name)
            if name in seen:
                raise LayerError(f"{name} twice in one layer")
            seen.add(name)
            kind = _KINDS.get(member.type)
            if kind is None:
                raise LayerError(f"{name}: unknown entry type {member.type!r}")
            if kind == "hardlink":
                entries.append((name, kind, _absolute(member.linkname)))
            else:
                entries.append((name, kind, _node(tar, member, kind)))
    return entries


def _absolute(name: str) -> str:
    name = name.removeprefix("./").strip("/")
    return "/" if name == "." else f"/{name}"


def _node(tar: tarfile.TarFile, member: tarfile.TarInfo, kind: str) -> Node:
    content = b""
    if kind == "file":
        reader = tar.extractfile(member)
        assert reader is not None
        content = reader.read()
    return Node(kind, describe(member, kind, content), int(member.mtime))


def describe(member: tarfile.TarInfo, kind: str, content: bytes) -> str:
    """Return everything but the name and the time of an entry, as one line."""
    mode = "" if kind == "symlink" else f"{member.mode & 0o7777:04o} "
    words = [f"{kind} {mode}{member.uid}:{member.gid}"]
    if kind == "file":
        words.append(_shown(content))
    if kind == "symlink":
        words.append(f"-> {member.linkname}")
    if kind in ("char", "block"):
        words.append(f"{member.devmajor}:{member.devminor}")
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith("SCHILY.xattr."):
            raw = value.encode("utf-8", "surrogateescape")
            words.append(f"{key.removeprefix('SCHILY.xattr.')}={raw!r}")
    return " ".join(words)


def _shown(content: bytes) -> str:
    if len(content) <= 400:
        try:
            return repr(content.decode())
        except UnicodeDecodeError:
            pass
    return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}"


def _apply(tree: Tree, entries: list[tuple[str, str, Node | str]]) -> None:
    for path, _, _ in entries:
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            _remove_below(tree, folder or "/")
        elif name.startswith(".wh.") and not name.startswith(".wh..wh."):
            gone = f"{folder}/{name.removeprefix('.wh.')}"
            tree.pop(gone, None)
            _remove_below(tree, gone)
    for path, kind, node in entries:
        if path.rpartition("/")[2].startswith(".wh."):
            continue
        _make_parents(tree, path)
        if kind != "dir":
            _remove_below(tree, path)
        if isinstance(node, str):
            if node not in tree:
                raise LayerError(f"{path}: a hard link to {node}, which is not there")
            tree[path] = tree[node]
        else:
            tree[path] = node


def _remove_below(tree: Tree, folder: str) -> None:
    start = folder.rstrip("/") + "/"
    for path in [path for path in tree if path.startswith(start) and path != "/"]:
        del tree[path]


def _make_parents(tree: Tree, path: str) -> None:
    parent = path.rpartition("/")[0]
    while parent:
        node = tree.setdefault(parent, Node("dir", "dir 0755 0:0", 0))
        if node.kind != "dir":
            raise LayerError(f"{path}: {parent} is a {node.kind}")
        parent = parent.rpartition("/")[0]

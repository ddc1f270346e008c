"""Distroless bases: slices of packages, and the few files that tie them together.

No code of a package runs. What its scripts would have made and a program may need (the bundle of
certificates) is made here; what a scanner reads stays for every package that has a file left: its
stanza and sums under ``/var/lib/dpkg/status.d``, its copyright file, and the licences these name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import structs

from laststage.base.recipe import DistrolessRecipe
from laststage.base.slice import Slice
from laststage.debian.deb import Deb
from laststage.errors import IntegrityError
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry
from laststage.tree.untar import entries

_LICENCES = "usr/share/common-licenses/"
_LICENCE = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*[A-Za-z0-9])")
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def sliced_tree(
    recipe: DistrolessRecipe, slices: Iterable[Slice], paths: Mapping[str, str]
) -> list[Piece]:
    """Return what the base holds, in the order of a layer; *paths* are the packages' files."""
    tree: dict[str, Piece] = {}
    licences: dict[str, Piece] = {}
    for part in slices:
        with Deb.open(paths[part.package]) as deb:
            _take(deb, part, tree, licences)
    _add_licences(tree, licences)
    for text in recipe.files:
        _put(tree, text.path, text.content.removeprefix("\n").encode())
    for directory in recipe.directories:
        owner = directory.owner
        entry = Entry(path=directory.path, kind="dir", mode=directory.mode, uid=owner, gid=owner)
        tree[directory.path] = (entry, None)
    for path, target in recipe.links.items():
        tree[path] = (Entry(path=path, kind="symlink", mode=0o777, link=target), None)
    return _completed(tree)


def _take(deb: Deb, part: Slice, tree: dict[str, Piece], licences: dict[str, Piece]) -> None:
    """Put what *part* keeps of a package into *tree*; set its licence texts aside."""
    keep, drop = _matcher(part.files), _matcher(part.drop)
    copyright_file = f"usr/share/doc/{part.package}/copyright"
    folders: dict[str, Piece] = {}
    kept: dict[str, Piece] = {}
    for entry, content in entries(deb.data(), part.package, whiteouts=False):
        if entry.path.startswith(_LICENCES) and entry.kind != "dir":
            licences[entry.path] = (entry, content.read())
        elif entry.kind == "dir":
            folders[entry.path] = (entry, None)
        elif entry.path == copyright_file or (keep(entry.path) and not drop(entry.path)):
            kept[entry.path] = (entry, content.read() if entry.kind == "file" else None)
    _check_links(kept, part.package)
    if part.generate == "ca-bundle":
        _bundle(kept)
    if "usr/lib/os-release" in kept:
        _put(kept, "usr/lib/os-release", _os_release(kept["usr/lib/os-release"]))
    for path in kept:
        parent = path.rpartition("/")[0]
        while parent and parent in folders and parent not in tree:
            tree[parent] = folders[parent]
            parent = parent.rpartition("/")[0]
    tree.update(kept)
    _record(deb, part.package, kept, tree)


def _check_links(kept: dict[str, Piece], package: str) -> None:
    for path, (entry, _) in kept.items():
        if entry.kind == "hardlink" and entry.link not in kept:
            raise IntegrityError(f"{package}: {path} shares its content with a file left out")


def _bundle(kept: dict[str, Piece]) -> None:
    """Replace the single certificates by one file with all of them, in order of name."""
    names = sorted(path for path in kept if path.endswith(".crt"))
    texts = [content for name in names if isinstance(content := kept.pop(name)[1], bytes)]
    _put(kept, _BUNDLE, b"".join(text.rstrip(b"\n") + b"\n" for text in texts))
    # where OpenSSL looks when no variable tells it otherwise
    link = "usr/lib/ssl/cert.pem"
    kept[link] = (Entry(path=link, kind="symlink", mode=0o777, link=f"/{_BUNDLE}"), None)


def _os_release(piece: Piece) -> bytes:
    """Return Debian's own os-release under a name that says what this is; scanners read the rest."""
    content = piece[1]
    assert isinstance(content, bytes)
    return re.sub(rb"(?m)^PRETTY_NAME=.*$", b'PRETTY_NAME="Distroless"', content)


def _record(deb: Deb, package: str, kept: dict[str, Piece], tree: dict[str, Piece]) -> None:
    """Keep what scanners read of the package, its sums only for the files that stay."""
    _put(tree, f"var/lib/dpkg/status.d/{package}", deb.control.rstrip("\n").encode() + b"\n")
    sums = deb.control_files.get("md5sums", b"").decode().splitlines()
    left = [
        line
        for line in sums
        if (path := line.partition("  ")[2]) in kept and path != "usr/lib/os-release"
    ]
    text = "".join(f"{line}\n" for line in left).encode()
    _put(tree, f"var/lib/dpkg/status.d/{package}.md5sums", text)


def _add_licences(tree: dict[str, Piece], licences: dict[str, Piece]) -> None:
    """Add the licence texts that the copyright files in *tree* name."""
    wanted = {
        f"{_LICENCES}{name.decode()}"
        for path, (_, content) in tree.items()
        if path.endswith("/copyright") and isinstance(content, bytes)
        for name in _LICENCE.findall(content)
    }
    while wanted:
        path = wanted.pop()
        if path in licences and path not in tree:
            tree[path] = licences[path]
            if link := licences[path][0].link:
                wanted.add(_LICENCES + link)


def _put(tree: dict[str, Piece], path: str, content: bytes) -> None:
    before = tree.get(path)
    entry = Entry(path=path, kind="file", mode=0o644, size=len(content))
    if before is not None:
        entry = structs.replace(before[0], size=len(content))
    tree[path] = (entry, content)


def _completed(tree: dict[str, Piece]) -> list[Piece]:
    """Return the tree with every directory on the way to a file, in a layer's order."""
    for path in list(tree):
        parent = path.rpartition("/")[0]
        while parent and parent not in tree:
            tree[parent] = (Entry(path=parent, kind="dir", mode=0o755), None)
            parent = parent.rpartition("/")[0]
    return [tree[path] for path in sorted(tree, key=lambda path: path.split("/"))]


def _matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a path matches one of *globs*."""
    patterns = [
        "".join(
            ".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part)
            for part in re.split(r"(\*\*|\*)", glob)
        )
        for glob in globs
    ]
    whole = re.compile("|".join(patterns) or r"(?!)")
    return lambda path: whole.fullmatch(path) is not None

"""Putting a distroless layer together: slices of packages, and the few files that tie them.

No code of a package runs in it. What a scanner reads stays for every package that has a file: its
stanza and sums under ``/var/lib/dpkg/status.d``, its copyright file, and the licences these name.
A layer has only what the layers below do not have, and a list of where each of its files is from.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import json, structs

from laststage.base.cutting import Cut
from laststage.base.generating import link, put
from laststage.base.recipe import DistrolessRecipe
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

_STATUS = "var/lib/dpkg/status.d"
_MANIFESTS = "var/lib/laststage"
_LICENCES = "usr/share/common-licenses/"
_LICENCE = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*[A-Za-z0-9])")
# A stanza's description has one line that says it, and more that no scanner reads.
_DESCRIPTION = re.compile(r"(?m)^(Description:.*\n)(?:[ \t].*\n)*")
# What is not as the package has it, so that its sum is none of this file.
_CHANGED = "usr/lib/os-release"


class _Layer:
    """A layer while it is put together: its pieces, and the slice that each path is of."""

    def __init__(self, below: Mapping[str, Entry]) -> None:
        self.below = below
        self.pieces: dict[str, Piece] = {}
        self.origins: dict[str, str] = {}
        self.folders: dict[str, Entry] = {}

    def take(self, cut: Cut) -> None:
        """Add what the slice holds and no layer below has; licences are another matter."""
        documents = f"usr/share/doc/{cut.part.package}"
        own = [
            (entry, content)
            for entry, content in cut.pieces()
            if not entry.path.startswith(_LICENCES)
            and not (entry.path.startswith(documents) and entry.path in self.below)
        ]
        for entry, content in own:
            self.pieces[entry.path] = (entry, content)
            self.origins.setdefault(entry.path, cut.part.name)
        for folder in cut.folders:
            self.folders.setdefault(folder.path, folder)

    def take_licences(self, cut: Cut) -> None:
        """Add the licence texts that the layer's copyright files name and no layer below has."""
        texts = {entry.path: (entry, content) for entry, content in cut.pieces()}
        wanted = {
            f"{_LICENCES}{name.decode()}"
            for path, (_, content) in self.pieces.items()
            if path.endswith("/copyright") and isinstance(content, bytes)
            for name in _LICENCE.findall(content)
        }
        while wanted:
            path = wanted.pop()
            if path in texts and path not in self.pieces and path not in self.below:
                self.pieces[path] = texts[path]
                self.origins[path] = cut.part.name
                if target := texts[path][0].link:
                    wanted.add(_LICENCES + target)

    def record(self, package: str, cuts: Sequence[Cut]) -> None:
        """Keep what scanners read of the package, its sums only for the files that are here."""
        names = {cut.part.name for cut in cuts}
        path = f"{_STATUS}/{package}"
        if path not in self.below:
            put(self.pieces, path, _DESCRIPTION.sub(r"\1", cuts[0].control).encode())
        new = {p for p, name in self.origins.items() if name in names}
        documents = f"usr/share/doc/{package}/copyright"
        if f"{path}.md5sums" in self.below and not new - {documents}:
            return
        lines = [
            f"{sum_}  {name}\n"
            for sum_, name in cuts[0].sums
            if (name in new or name in self.below) and name != _CHANGED
        ]
        put(self.pieces, f"{path}.md5sums", "".join(lines).encode())

    def finished(self) -> list[Piece]:
        """Return the pieces with every directory on the way to a file, in a layer's order."""
        for path in list(self.pieces):
            parent = path.rpartition("/")[0]
            while parent and parent not in self.pieces:
                made = Entry(path=parent, kind="dir", mode=0o755)
                known = self.below.get(parent) or self.folders.get(parent) or made
                self.pieces[parent] = (known, None)
                parent = parent.rpartition("/")[0]
        return _linked([self.pieces[p] for p in sorted(self.pieces, key=lambda p: p.split("/"))])


def layer_pieces(
    recipe: DistrolessRecipe,
    cuts: Sequence[Cut],
    below: Mapping[str, Entry],
    *,
    values: Mapping[str, str],
    label: Mapping[str, str],
    more: Mapping[str, Sequence[Piece]] = {},
) -> list[Piece]:
    """Return what the layer of *recipe* holds, in the order of a layer.

    *below* is what the layers below hold by path; *values* replace their names in braces in the
    recipe's links and files; *label* is what the list of files says of the layer; *more* is what is
    of no package, by where it is from.
    """
    layer = _Layer(below)
    for cut in cuts:
        layer.take(cut)
    for cut in cuts:
        if cut.part.generate == "licences":
            layer.take_licences(cut)
    for origin, pieces in more.items():
        for entry, content in pieces:
            layer.pieces[entry.path] = (entry, content)
            layer.origins[entry.path] = origin
    for text in recipe.files:
        content = filled(text.content.removeprefix("\n"), values)
        _own(layer, text.path)
        put(layer.pieces, text.path, content.encode())
    for directory in recipe.directories:
        owner, path = directory.owner, directory.path
        entry = Entry(path=path, kind="dir", mode=directory.mode, uid=owner, gid=owner)
        layer.pieces[path] = (entry, None)
    for path, target in recipe.links.items():
        _own(layer, filled(path, values))
        link(layer.pieces, filled(path, values), filled(target, values))
    of_package: dict[str, list[Cut]] = {}
    for cut in cuts:
        of_package.setdefault(cut.part.package, []).append(cut)
    for package, of in of_package.items():
        if set(layer.origins.values()) & {cut.part.name for cut in of}:
            layer.record(package, of)
    _list(layer, recipe, of_package, label)
    return layer.finished()


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with each name in braces that has a value replaced by it."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _own(layer: _Layer, path: str) -> None:
    """Make *path* the recipe's own, whatever package had it."""
    layer.pieces.pop(path, None)
    layer.origins.pop(path, None)


def _list(
    layer: _Layer,
    recipe: DistrolessRecipe,
    packages: Mapping[str, Sequence[Cut]],
    label: Mapping[str, str],
) -> None:
    """Add the list of every file of the layer with its slice and package."""
    slices: dict[str, list[str]] = {}
    for path, (entry, _) in sorted(layer.pieces.items()):
        if entry.kind != "dir":
            slices.setdefault(layer.origins.get(path, ""), []).append(path)
    document = {
        **label,
        "packages": {
            package: [cut.part.name for cut in cuts if cut.part.name in slices]
            for package, cuts in packages.items()
            if any(cut.part.name in slices for cut in cuts)
        },
        "files": slices,
    }
    content = gzip.compress(json.encode(document), 9, mtime=0)
    put(layer.pieces, f"{_MANIFESTS}/{recipe.name}.json.gz", content)


def _linked(pieces: Iterable[Piece]) -> list[Piece]:
    """Return *pieces* with content before the hard links to it, and equal copyright files as one."""
    ordered = list(pieces)
    contents = {entry.path: content for entry, content in ordered}
    entries = {entry.path: entry for entry, _ in ordered}
    first: dict[str, str] = {}  # where a content is now, by where it was
    known: dict[bytes, str] = {}
    for number, (entry, content) in enumerate(ordered):
        if entry.kind == "hardlink":
            if entry.link not in first:
                first[entry.link] = entry.path
                target = entries[entry.link]
                moved = structs.replace(target, path=entry.path)
                ordered[number] = (moved, contents[entry.link])
            else:
                ordered[number] = (structs.replace(entry, link=first[entry.link]), None)
        elif entry.path in first:
            alias = structs.replace(entry, kind="hardlink", size=0, link=first[entry.path])
            ordered[number] = (alias, None)
        elif entry.kind == "file":
            first[entry.path] = entry.path
            if entry.path.endswith("/copyright") and isinstance(content, bytes):
                same = known.setdefault(content, entry.path)
                if same != entry.path:
                    alias = structs.replace(entry, kind="hardlink", size=0, link=same)
                    ordered[number] = (alias, None)
    return ordered

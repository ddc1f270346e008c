"""What packages of a language an image has, by the folders in which their installers leave them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import structs

from laststage.analysis.run_time_libraries import RunTimeLibrary, run_time_libraries
from laststage.analysis.tree import Tree

_DISTRIBUTION = re.compile(r"(.+?)-[^-]+\.(?:dist-info|egg-info)")
_DEEPEST = 7


def run_time_needs(image: Tree, *, above: int = 0) -> list[tuple[str, RunTimeLibrary]]:
    """Return what the packages in *image* are known to load by name, each under its package.

    *above* is how many of the lowest layers are its base. A package that brings its own copy of a
    library, as most that are shipped compiled do, needs no other; what counts only for apps that
    import a certain module is left out.
    """
    names = {path.rpartition("/")[2] for path, _ in image.elves(above=above)}
    found = []
    for ecosystem, name in sorted(set(_installed(image, "", 0))):
        for library in run_time_libraries(ecosystem, name):
            lacking = tuple(s for s in library.sonames if not _is_brought(s, names))
            if lacking and not library.imported:
                found.append((f"{ecosystem} {name}", structs.replace(library, sonames=lacking)))
    return found


def _is_brought(soname: str, names: Iterable[str]) -> bool:
    """Whether one of the files *names* is the library *soname* by its name, in any version."""
    stem = soname.partition(".so")[0]
    return any(name.startswith(stem) for name in names)


def _installed(image: Tree, folder: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield (ecosystem, package) below *folder*."""
    for name in image.names(folder):
        path = f"{folder}/{name}".lstrip("/")
        node = image.lookup(path)
        if node is None or node.kind != "dir":
            continue
        if name in ("site-packages", "dist-packages"):
            for entry in image.names(path):
                if match := _DISTRIBUTION.fullmatch(entry):
                    yield "pypi", match[1]
        elif name == "node_modules":
            for entry in image.names(path):
                if entry.startswith("@"):
                    yield from (("npm", f"{entry}/{p}") for p in image.names(f"{path}/{entry}"))
                elif not entry.startswith("."):
                    yield "npm", entry
        elif depth < _DEEPEST and not (depth == 0 and name in ("proc", "sys", "dev", "usr")):
            yield from _installed(image, path, depth + 1)

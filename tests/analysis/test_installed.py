"""What installed packages are known to load by name, and what they bring themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from laststage.analysis.installed import run_time_needs
from laststage.analysis.tree import Tree
from laststage.oci.layers import Piece
from laststage.oci.layerstore import Layers
from laststage.store.root import Store
from laststage.tree.entry import Entry

SITE = "app/.venv/lib/python3.13/site-packages"
ELF = Path("/proc/self/exe").read_bytes()


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    store = Store(str(tmp_path))
    store.prepare()
    return Layers(store, opaque=lambda: "user.overlay.opaque")


def tree(layers: Layers, *paths: str) -> Tree:
    pieces: dict[str, Piece] = {}
    for path in paths:
        content = ELF if ".so" in path else b""
        pieces[path] = (Entry(path=path, kind="file", mode=0o644, size=len(content)), content)
        while path := path.rpartition("/")[0]:
            pieces.setdefault(path, (Entry(path=path, kind="dir", mode=0o755), None))
    identifier = "a" * 64
    ordered = [pieces[path] for path in sorted(pieces, key=lambda path: path.split("/"))]
    layers.write_blob(identifier, None, ordered)
    return Tree(layers, [identifier])


def test_a_python_package_that_loads_by_name(layers: Layers) -> None:
    image = tree(layers, f"{SITE}/python_magic-0.4.27.dist-info/RECORD", f"{SITE}/magic/x.py")
    [(name, library)] = run_time_needs(image)
    assert name == "pypi python_magic"
    assert library.sonames == ("libmagic.so.1",)
    assert "libmagic-mgc" in library.packages


def test_a_package_with_its_own_copy_needs_no_other(layers: Layers) -> None:
    path = f"{SITE}/_soundfile_data/libsndfile_x86_64.so"
    image = tree(layers, f"{SITE}/soundfile-0.13.dist-info/RECORD", path)
    assert run_time_needs(image) == []


def test_without_its_own_copy_it_does(layers: Layers) -> None:
    image = tree(layers, f"{SITE}/soundfile-0.13.dist-info/RECORD")
    assert [library.sonames for _, library in run_time_needs(image)] == [("libsndfile.so.1",)]


def test_a_node_package_with_its_own_copy(layers: Layers) -> None:
    image = tree(
        layers,
        "app/node_modules/sharp/package.json",
        "app/node_modules/@img/sharp-libvips-linux-x64/lib/libvips-cpp.so.8.17.3",
    )
    [(_, library)] = run_time_needs(image)
    assert not any(name.startswith("libvips") for name in library.sonames)


def test_what_nobody_knows_needs_nothing(layers: Layers) -> None:
    assert run_time_needs(tree(layers, f"{SITE}/nothing_special-1.0.dist-info/RECORD")) == []

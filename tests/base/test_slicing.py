"""Putting a layer together from slices."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from laststage.base.cutting import Cut
from laststage.base.recipe import Directory, DistrolessRecipe, FileText
from laststage.base.slice import Slice
from laststage.base.slicing import filled, layer_pieces
from laststage.oci.layers import Piece
from laststage.testing.packages import make_deb
from laststage.tree.entry import Entry

SliceOf = Callable[..., Slice]
CutOf = Callable[[Slice, bytes], Cut]


@pytest.fixture
def licences(slice_of: SliceOf, cut_of: CutOf) -> Cut:
    files = {
        "usr/share/common-licenses/GPL": "GPL-3", "usr/share/common-licenses/GPL-3": b"three",
        "usr/share/common-licenses/Artistic": b"art", "usr/share/doc/base-files/copyright": b"bf",
    }  # fmt: skip
    part = slice_of("base-files", "usr/share/common-licenses/**", generate="licences")
    return cut_of(part, make_deb("base-files", files=files))


@pytest.fixture
def pack(slice_of: SliceOf, cut_of: CutOf) -> Cut:
    files = {
        "usr/lib/a.so": b"a", "usr/lib/b.so": b"b", "etc/pack.conf": b"theirs",
        "usr/share/doc/pack/copyright": b"see /usr/share/common-licenses/GPL.\n",
    }  # fmt: skip
    part = slice_of("pack", "usr/lib/a.so", "etc/pack.conf")
    return cut_of(part, make_deb("pack", files=files))


def recipe(**fields: Any) -> DistrolessRecipe:
    return DistrolessRecipe(suites=("trixie",), names=(), name="made", **fields)


def layer(
    cuts: list[Cut], below: dict[str, Entry] | None = None, **fields: Any
) -> dict[str, Piece]:
    """Put a layer together; by path, with a check of its order."""
    made = layer_pieces(
        recipe(**fields), cuts, below or {}, values={"who": "me"}, label={"recipe": "made"}
    )
    paths = [entry.path for entry, _ in made]
    assert paths == sorted(paths, key=lambda path: path.split("/"))
    return {entry.path: (entry, content) for entry, content in made}


def listed(made: dict[str, Piece]) -> dict[str, Any]:
    content = made["var/lib/laststage/made.json.gz"][1]
    assert isinstance(content, bytes)
    assert content[4:8] == b"\0\0\0\0"  # no time
    found: dict[str, Any] = json.loads(gzip.decompress(content))
    return found


def test_a_layer(pack: Cut, licences: Cut) -> None:
    made = layer([pack, licences])
    files = {path for path, (entry, _) in made.items() if entry.kind != "dir"}
    assert files == {
        "etc/pack.conf", "usr/lib/a.so", "usr/share/common-licenses/GPL",
        "usr/share/common-licenses/GPL-3", "usr/share/doc/base-files/copyright",
        "usr/share/doc/pack/copyright", "var/lib/dpkg/status.d/base-files",
        "var/lib/dpkg/status.d/base-files.md5sums", "var/lib/dpkg/status.d/pack",
        "var/lib/dpkg/status.d/pack.md5sums", "var/lib/laststage/made.json.gz",
    }  # fmt: skip
    sums = made["var/lib/dpkg/status.d/pack.md5sums"][1]
    assert isinstance(sums, bytes)
    assert sums.decode().splitlines() == [
        f"{hashlib.md5(content).hexdigest()}  {path}"
        for path, content in (
            ("etc/pack.conf", b"theirs"),
            ("usr/lib/a.so", b"a"),
            ("usr/share/doc/pack/copyright", b"see /usr/share/common-licenses/GPL.\n"),
        )
    ]
    assert listed(made) == {
        "recipe": "made",
        "packages": {"pack": ["pack/part"], "base-files": ["base-files/part"]},
        "files": {
            "": [path for path in sorted(files) if "status.d" in path],
            "pack/part": ["etc/pack.conf", "usr/lib/a.so", "usr/share/doc/pack/copyright"],
            "base-files/part": [
                "usr/share/common-licenses/GPL", "usr/share/common-licenses/GPL-3",
                "usr/share/doc/base-files/copyright",
            ],
        },
    }  # fmt: skip


def test_what_is_below_is_not_repeated(pack: Cut, licences: Cut) -> None:
    first = layer([licences])
    shared = {path: entry for path, (entry, _) in first.items()}
    shared["usr/share/common-licenses/GPL-3"] = Entry(path="", kind="file")
    shared["usr"] = Entry(path="usr", kind="dir", mode=0o711, mtime=7)
    made = layer([pack, licences], shared)
    assert "usr/share/common-licenses/GPL" in made
    assert "usr/share/common-licenses/GPL-3" not in made
    assert "usr/share/doc/base-files/copyright" not in made
    assert "var/lib/dpkg/status.d/base-files" not in made
    assert made["usr"][0] == shared["usr"]
    sums = made["var/lib/dpkg/status.d/base-files.md5sums"][1]
    assert isinstance(sums, bytes)
    # of the file in the layer below too: this list hides the one there
    assert sums.decode().split()[1::2] == [
        "usr/share/common-licenses/GPL-3", "usr/share/doc/base-files/copyright",
    ]  # fmt: skip


def test_a_package_of_which_nothing_is_new(pack: Cut) -> None:
    below = {entry.path: entry for entry, _ in layer([pack]).values()}
    again = [path for path, (entry, _) in layer([pack], below).items() if entry.kind != "dir"]
    assert "var/lib/dpkg/status.d/pack" not in again
    assert "usr/share/doc/pack/copyright" not in again


def test_what_the_recipe_adds(pack: Cut) -> None:
    made = layer(
        [pack],
        files=(FileText("etc/pack.conf", "\nfor {who} {not}\n"),),
        directories=(Directory("home/me", 0o700, 65532),),
        links={"usr/bin/{who}": "{who}-1"},
    )
    assert made["etc/pack.conf"][1] == b"for me {not}\n"
    assert made["home/me"][0].uid == made["home/me"][0].gid == 65532
    assert made["usr/bin/me"][0].link == "me-1"
    assert {"etc/pack.conf", "usr/bin/me"} <= set(listed(made)["files"][""])
    # a sum of what is not here would make a scanner cry
    sums = made["var/lib/dpkg/status.d/pack.md5sums"][1]
    assert isinstance(sums, bytes)
    assert b"pack.conf" not in sums


def test_a_description_is_one_line(slice_of: SliceOf, cut_of: CutOf) -> None:
    text = "says it\n and then\n .\n goes on"
    fields = {"Description": text, "Homepage": "nowhere"}
    deb = make_deb("pack", files={"usr/lib/a": b"a"}, fields=fields)
    made = layer([cut_of(slice_of("pack", "usr/lib/*"), deb)])
    stanza = made["var/lib/dpkg/status.d/pack"][1]
    assert isinstance(stanza, bytes)
    assert stanza.endswith(b"\nDescription: says it\nHomepage: nowhere\n")


def test_equal_licences_are_one(slice_of: SliceOf, cut_of: CutOf) -> None:
    cuts = [
        cut_of(
            slice_of(name, "usr/lib/*"),
            make_deb(
                name, files={f"usr/lib/{name}": b"", f"usr/share/doc/{name}/copyright": b"ours"}
            ),
        )
        for name in ("second", "first")
    ]
    made = layer(cuts)
    assert made["usr/share/doc/first/copyright"][1] == b"ours"
    entry, content = made["usr/share/doc/second/copyright"]
    assert (entry.kind, entry.link, entry.size, content) == (
        "hardlink", "usr/share/doc/first/copyright", 0, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"), [("{a}/{b}", "1/{b}"), ("{a}{a}", "11"), ("a", "a"), ("{ a }", "{ a }")]
)
def test_values(text: str, wanted: str) -> None:
    assert filled(text, {"a": "1"}) == wanted

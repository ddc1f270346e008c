"""From a package file to a slice of it."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.base.bytecode import byte_code
from laststage.base.cutting import Cut, cut
from laststage.base.slice import Slice
from laststage.errors import IntegrityError, MachineError
from laststage.oci.layers import Piece
from laststage.sandbox.spec import SandboxSpec
from laststage.store.snapshots import Snapshots
from laststage.testing.packages import make_ar, make_deb

SliceOf = Callable[..., Slice]
CutOf = Callable[[Slice, bytes], Cut]
LARGE = bytes(range(256)) * 8192


def held(found: Cut) -> dict[str, bytes | str | None]:
    """What a cut holds: bytes of files, targets of links."""
    result: dict[str, bytes | str | None] = {}
    for entry, content in found.pieces():
        if isinstance(content, str):
            content = Path(content).read_bytes()
        result[entry.path] = content if entry.kind == "file" else entry.link
    return result


def test_what_is_kept(slice_of: SliceOf, cut_of: CutOf) -> None:
    files = {
        "lib/here/one.so": b"one", "usr/lib/here/two.so": LARGE, "usr/lib/here/sub/three.so": b"3",
        "usr/lib/here/four.so": b"", "usr/lib/here/five.so": "two.so", "usr/bin/tool": b"tool",
        "usr/share/doc/pack/copyright": b"mine", "usr/share/doc/pack/changelog": b"old",
    }  # fmt: skip
    part = slice_of("pack", "usr/lib/*/*.so", drop=("usr/lib/here/four.so",))
    found = cut_of(part, make_deb("pack", files=files))
    assert held(found) == {
        "usr/lib/here/one.so": b"one", "usr/lib/here/two.so": LARGE,
        "usr/lib/here/five.so": "two.so", "usr/share/doc/pack/copyright": b"mine",
    }  # fmt: skip
    assert [folder.path for folder in found.folders] == [
        "usr", "usr/lib", "usr/lib/here", "usr/share", "usr/share/doc", "usr/share/doc/pack",
    ]  # fmt: skip
    assert "usr/lib/here/one.so" in [path for _, path in found.sums]
    assert found.control.startswith("Package: pack\n")


def test_a_link_to_the_licence_of_another_package(slice_of: SliceOf, cut_of: CutOf) -> None:
    files = {"usr/lib/a.so": b"a", "usr/share/doc/pack": "other"}
    found = cut_of(slice_of("pack", "usr/lib/*"), make_deb("pack", files=files))
    assert held(found) == {"usr/lib/a.so": b"a", "usr/share/doc/pack": "other"}


def test_nothing_is_left_of_a_package_that_changed(slice_of: SliceOf, cut_of: CutOf) -> None:
    files = {"usr/lib/a.so": b"a", "usr/share/doc/pack/copyright": b"mine"}
    with pytest.raises(IntegrityError, match="no file that is in its slice pack/part"):
        cut_of(slice_of("pack", "usr/lib/b*"), make_deb("pack", files=files))


def test_a_hard_link_whose_content_is_left_out(slice_of: SliceOf, cut_of: CutOf) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        first = tarfile.TarInfo("./usr/lib/a")
        first.size = 1
        archive.addfile(first, io.BytesIO(b"a"))
        second = tarfile.TarInfo("./usr/lib/b")
        second.type, second.linkname = tarfile.LNKTYPE, "./usr/lib/a"
        archive.addfile(second)
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w") as archive:
        text = b"Package: pack\nVersion: 1\n"
        about = tarfile.TarInfo("./control")
        about.size = len(text)
        archive.addfile(about, io.BytesIO(text))
    deb = make_ar(
        {
            "debian-binary": b"2.0\n",
            "control.tar": control.getvalue(),
            "data.tar": stream.getvalue(),
        }
    )
    whole = cut_of(slice_of("pack", "usr/lib/*"), deb)
    assert held(whole) == {"usr/lib/a": b"a", "usr/lib/b": "usr/lib/a"}
    with pytest.raises(IntegrityError, match="usr/lib/b shares its content with a file left out"):
        cut_of(slice_of("pack", "usr/lib/b", name="pack/other"), deb)


def test_a_broken_package_leaves_nothing(
    slice_of: SliceOf, snapshots: Snapshots, tmp_path: Path
) -> None:
    path = tmp_path / "broken.deb"
    path.write_bytes(make_deb("pack", files={"usr/lib/a.so": LARGE})[:-4000])
    with pytest.raises(IntegrityError):
        cut(snapshots, "ab", slice_of("pack", "usr/lib/*"), str(path), lambda kept: kept)
    assert not snapshots.has("ab")
    assert os.listdir(tmp_path / "store" / "staging") == []


class Compiler:
    """Plays the Python in the sandbox."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.seen: list[SandboxSpec] = []

    def run(self, spec: SandboxSpec, output: Callable[[str], None] | None) -> int:
        self.seen.append(spec)
        assert output is not None
        output("a line of the compiler")
        for name in os.listdir(f"{spec.root}/work/in"):
            code = b"code of " + Path(f"{spec.root}/work/in/{name}").read_bytes()
            Path(f"{spec.root}/work/out/{name}").write_bytes(code)
        return self.status

    def stop(self) -> None:
        raise AssertionError


@pytest.fixture
def kept(slice_of: SliceOf, cut_of: CutOf) -> dict[str, Piece]:
    files = {
        "usr/lib/python3.13/a.py": b"import b", "usr/lib/python3.13/p/%b.py": b"",
        "usr/lib/python3.13/c.py": "a.py", "usr/lib/python3.13/d.txt": b"text",
    }  # fmt: skip
    found = cut_of(slice_of("pack", "usr/lib/**"), make_deb("pack", files=files))
    return {entry.path: (entry, content) for entry, content in found.pieces()}


@pytest.fixture
def tools(slice_of: SliceOf, cut_of: CutOf) -> list[Cut]:
    files = {"usr/bin/python3.13": b"\x7fELF", "lib/big.so": LARGE}
    return [cut_of(slice_of("python", "usr/**"), make_deb("python", files=files))]


def test_byte_code(kept: dict[str, Piece], tools: list[Cut], snapshots: Snapshots) -> None:
    compiler = Compiler()
    compiled = byte_code(kept, tools, snapshots, compiler)
    assert {path: content or entry.link for path, (entry, content) in compiled.items()} == {
        "usr/lib/python3.13/a.pyc": b"code of import b",
        "usr/lib/python3.13/p/%b.pyc": b"code of ",
        "usr/lib/python3.13/c.pyc": "a.pyc",
        "usr/lib/python3.13/d.txt": b"text",
    }
    assert compiled["usr/lib/python3.13/a.pyc"][0].size == len(b"code of import b")
    [spec] = compiler.seen
    assert spec.argv[0] == "/usr/bin/python3.13"
    assert spec.network == "none"
    assert not os.path.exists(spec.root)


def test_a_python_that_fails(
    kept: dict[str, Piece], tools: list[Cut], snapshots: Snapshots
) -> None:
    with pytest.raises(MachineError, match="exit status 3") as caught:
        byte_code(kept, tools, snapshots, Compiler(3))
    assert "a line of the compiler" in (caught.value.hint or "")

"""Downloads: complete and right under their name, or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from laststage.errors import IntegrityError, NetworkError
from laststage.model.digest import Digest
from laststage.net.download import download
from laststage.net.http import UrllibTransport
from laststage.testing.packages import Fault, WebServer

BODY = bytes(range(256)) * 4096
DIGEST = Digest.of(BODY)


def get(
    server: WebServer,
    transport: UrllibTransport,
    path: Path,
    *,
    digest: Digest = DIGEST,
    delays: tuple[float, ...] = (),
) -> list[int]:
    """Download the file and return what was reported."""
    reported: list[int] = []
    download(
        transport,
        f"{server.url}/file",
        str(path),
        digest=digest,
        size=len(BODY),
        progress=reported.append,
        delays=delays,
        sleep=lambda _: None,
    )
    return reported


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "file"


def test_what_was_asked_for_gets_its_name(
    server: WebServer, transport: UrllibTransport, target: Path
) -> None:
    assert sum(get(server, transport, target)) == len(BODY)
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("short", f"{len(BODY) - 1} bytes where {len(BODY)} were expected"),
        ("long", f"{len(BODY) + 1} bytes where {len(BODY)} were expected"),
        ("wrong", f"the content is not {DIGEST}"),
    ],
)
def test_another_body_is_refused_and_a_retry_works(
    server: WebServer, transport: UrllibTransport, target: Path, fault: Fault, message: str
) -> None:
    server.faults["file"] = (fault, 1)
    with pytest.raises(IntegrityError, match=message) as caught:
        get(server, transport, target, delays=(0, 0))
    assert f"{server.url}/file" in str(caught.value)
    assert list(target.parent.iterdir()) == []
    assert len(server.asked) == 1  # what is wrong is not asked for again
    get(server, transport, target)
    assert target.read_bytes() == BODY


def test_a_broken_transfer_goes_on_where_it_stopped(
    server: WebServer, transport: UrllibTransport, target: Path
) -> None:
    server.faults["file"] = ("cut", 2)
    reported = get(server, transport, target, delays=(0, 0))
    assert target.read_bytes() == BODY
    assert sum(reported) == len(BODY)
    assert min(reported) > 0  # nothing came twice


@pytest.mark.parametrize("is_right_at_last", [True, False])
def test_parts_that_are_not_of_one_whole(
    server: WebServer, transport: UrllibTransport, target: Path, is_right_at_last: bool
) -> None:
    """Two servers behind one name may differ; only the whole from one of them can be right."""
    file = Path(server.folder, "file")
    file.write_bytes(BODY[::-1])
    server.faults["file"] = ("cut", 1)
    digest = DIGEST if is_right_at_last else Digest.of(b"another")

    def fetch() -> None:
        download(
            transport, f"{server.url}/file", str(target), digest=digest, size=len(BODY),
            delays=(0,), sleep=lambda _: file.write_bytes(BODY) and None,
        )  # fmt: skip

    if is_right_at_last:
        fetch()
        assert target.read_bytes() == BODY
    else:
        with pytest.raises(IntegrityError, match="the content is not"):
            fetch()
        assert list(target.parent.iterdir()) == []
    assert len(server.asked) == 3  # once more, and not again


def test_a_server_that_stays_broken_is_a_network_error(
    server: WebServer, transport: UrllibTransport, target: Path
) -> None:
    server.faults["file"] = ("cut", 99)
    with pytest.raises(NetworkError, match="broke off"):
        get(server, transport, target, delays=(0,))
    assert list(target.parent.iterdir()) == []


def test_an_existing_file_is_replaced_only_by_the_right_one(
    server: WebServer, transport: UrllibTransport, target: Path
) -> None:
    target.write_bytes(b"old")
    with pytest.raises(IntegrityError):
        get(server, transport, target, digest=Digest.of(b"other"))
    assert target.read_bytes() == b"old"


class Response:
    """A body that breaks off after its first piece, as often as *breaks* says."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.status = 200
        self.size = None
        self._pieces = pieces

    def read(self, amount: int) -> bytes:
        from laststage.net.retry import TransientError

        piece = self._pieces.pop(0)
        if piece == b"break":
            raise TransientError("reset")
        return piece


class WithoutRanges:
    """A transport whose server always begins at the beginning."""

    def __init__(self, *answers: list[bytes]) -> None:
        self._answers = list(answers)

    def get(self, url: str, *, limit: int, offset: int = 0):  # type: ignore[no-untyped-def]
        from contextlib import nullcontext

        return nullcontext(Response(self._answers.pop(0)))


def test_a_server_without_ranges_begins_again(target: Path) -> None:
    transport = WithoutRanges([b"abc", b"break"], [b"abc", b"def", b""])
    reported: list[int] = []
    download(
        transport,
        "http://example.invalid/x",
        str(target),
        digest=Digest.of(b"abcdef"),
        size=6,
        progress=reported.append,
        delays=(0,),
        sleep=lambda _: None,
    )
    assert target.read_bytes() == b"abcdef"
    assert reported == [3, -3, 3, 3]


def test_a_body_without_a_length_that_ends_early_is_refused(target: Path) -> None:
    with pytest.raises(IntegrityError, match="3 bytes where 6 were expected"):
        download(
            WithoutRanges([b"abc", b""]),
            "http://example.invalid/x",
            str(target),
            digest=Digest.of(b"abcdef"),
            size=6,
        )
    assert not target.exists()

"""Release files: what is believed, and what is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laststage.debian import release as module
from laststage.debian.release import (
    KEYRING,
    ExpiredError,
    FutureError,
    IdentityError,
    IndexFile,
    Release,
    RollbackError,
    SignatureError,
    TrustError,
    verified_release,
)
from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.testing.packages import new_key, sign, write_keyring

if TYPE_CHECKING:
    import pysequoia

DATE = 1789199741  # 2026-09-12 07:55:41
DAY = 24 * 3600
TEXT = f"""Origin: Debian
Label: Debian
Suite: stable
Codename: trixie
Date: Sat, 12 Sep 2026 07:55:41 UTC
Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC
Acquire-By-Hash: yes
Architectures: all amd64 arm64
SHA256:
 {"ab" * 32}     12 main/binary-amd64/Packages
 {"cd" * 32}      3 main/binary-amd64/Packages.xz
"""


class Checker:
    """Verifies texts signed with *key* against *keyring*."""

    def __init__(self, key: pysequoia.Tsk, keyring: str) -> None:
        self.key = key
        self.keyring = keyring

    def __call__(self, text: str, **options: int) -> Release:
        return self.signed(sign(text, self.key), **options)

    def signed(
        self,
        data: bytes,
        *,
        suite: str = "trixie",
        now: int = DATE + DAY,
        newest: int = 0,
        stale_is_fine: bool = False,
    ) -> Release:
        return verified_release(
            data,
            suite=suite,
            now=now,
            where="http://example.invalid/InRelease",
            keyring=self.keyring,
            newest=newest,
            stale_is_fine=stale_is_fine,
        )


@pytest.fixture
def check(key: pysequoia.Tsk, keyring: str) -> Checker:
    return Checker(key, keyring)


def test_a_signed_text_becomes_a_release(check: Checker) -> None:
    data = sign(TEXT, check.key)
    assert check.signed(data) == Release(
        suite="stable",
        codename="trixie",
        date=DATE,
        valid_until=DATE + 7 * DAY,
        architectures=("all", "amd64", "arm64"),
        by_hash=True,
        files={
            "main/binary-amd64/Packages": IndexFile(12, Digest("sha256", "ab" * 32)),
            "main/binary-amd64/Packages.xz": IndexFile(3, Digest("sha256", "cd" * 32)),
        },
        digest=Digest.of(data),
        signers=(check.key.extract_certificate().fingerprint,),
    )


def test_a_suite_may_be_named_by_its_role(check: Checker) -> None:
    assert check.signed(sign(TEXT, check.key), suite="stable").codename == "trixie"


def test_every_changed_byte_of_the_text_shows(check: Checker) -> None:
    data = sign(TEXT, check.key)
    for position in range(data.index(b"Origin"), data.index(b"-----BEGIN PGP SIG") - 1, 7):
        tampered = bytearray(data)
        tampered[position] ^= 1
        with pytest.raises(TrustError):
            check.signed(bytes(tampered))


def test_another_key_is_not_believed(check: Checker, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="no valid signature of a trusted key") as caught:
        check.signed(sign(TEXT, new_key()))
    assert "\n" not in caught.value.message
    assert "is this a Debian mirror?" in caught.value.hint
    write_keyring(str(tmp_path / "empty.pgp"))
    check.keyring = str(tmp_path / "empty.pgp")
    with pytest.raises(TrustError):
        check(TEXT)


def test_a_wrong_clock_is_named_as_the_likely_reason(check: Checker) -> None:
    with pytest.raises(SignatureError) as caught:
        check.signed(sign(TEXT, new_key()), now=0)
    assert caught.value.hint == (
        "this machine's clock says 1970-01-01 00:00 UTC, the file 2026-09-12 07:55 UTC; set the clock"
    )


def test_one_trusted_signature_of_several_is_enough(check: Checker, tmp_path: Path) -> None:
    check.keyring = write_keyring(str(tmp_path / "two.pgp"), new_key(), check.key, new_key())
    assert len(check(TEXT).signers) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"Origin: Evil\n\n" + data,
        lambda data: data + b"Origin: Evil\n",
        lambda data: data + data,
        lambda data: data.replace(b"\n\n", b"\nOrigin: Evil\n\n", 1),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data[: len(data) // 2],
        lambda data: data[:-40],
        lambda data: b"",
        lambda data: TEXT.encode(),
        lambda data: b"<html>Log in to the hotel's network</html>\n",
    ],
    ids=[
        "before",
        "after",
        "twice",
        "header",
        "crlf",
        "half",
        "cut",
        "empty",
        "unsigned",
        "portal",
    ],
)
def test_anything_but_one_signed_message_is_refused(
    check: Checker, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(SignatureError, match="InRelease"):
        check.signed(change(sign(TEXT, check.key)))


def test_an_inline_signature_is_refused(check: Checker) -> None:
    import pysequoia

    mode = pysequoia.SignatureMode.INLINE
    data = bytes(pysequoia.sign(check.key.signer(), TEXT.encode(), mode=mode))
    with pytest.raises(SignatureError):
        check.signed(data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Origin: Debian", "Origin: Other", "is of Other"),
        ("Label: Debian\n", "", "no label"),
        ("Label: Debian", "Label: Debian-Security", "not of Debian"),
        ("Codename: trixie", "Codename: bookworm", "about bookworm / stable, not about trixie"),
    ],
)
def test_another_archive_or_suite_is_refused(
    check: Checker, old: str, new: str, message: str
) -> None:
    with pytest.raises(IdentityError, match=message):
        check(TEXT.replace(old, new))


def test_the_security_archive_has_its_own_label(check: Checker) -> None:
    text = TEXT.replace("Label: Debian", "Label: Debian-Security")
    text = text.replace("Codename: trixie", "Codename: trixie-security")
    assert (
        check.signed(sign(text, check.key), suite="trixie-security").codename == "trixie-security"
    )


def test_a_date_in_the_future_is_refused_beyond_a_day(check: Checker) -> None:
    assert check(TEXT, now=DATE - DAY).date == DATE
    with pytest.raises(FutureError, match="but this machine's clock says 2026-09-11") as caught:
        check(TEXT, now=DATE - DAY - 1)
    assert caught.value.hint == "set the clock"
    with pytest.raises(FutureError):
        check(TEXT, now=0, stale_is_fine=True)


def test_valid_until_is_honoured(check: Checker) -> None:
    last = DATE + 7 * DAY
    assert check(TEXT, now=last).valid_until == last
    with pytest.raises(ExpiredError, match="was valid until 2026-09-19 07:55 UTC") as caught:
        check(TEXT, now=last + 1)
    assert "--allow-stale" in caught.value.hint
    assert check(TEXT, now=last + 1, stale_is_fine=True).date == DATE


def test_a_release_without_an_end_stays_valid(check: Checker) -> None:
    text = re.sub("Valid-Until.*\n", "", TEXT)
    assert check(text, now=DATE + 999 * DAY).valid_until is None


def test_going_back_is_refused(check: Checker) -> None:
    assert check(TEXT, newest=DATE).date == DATE
    with pytest.raises(RollbackError, match="was seen before") as caught:
        check(TEXT, newest=DATE + 1)
    assert "--allow-stale" in caught.value.hint
    assert check(TEXT, newest=DATE + 1, stale_is_fine=True).date == DATE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Date: Sat, 12 Sep", "Date: Sat, 42 Sep"),
        ("Date: Sat, 12 Sep", "Date: Sat, 12 Sop"),
        ("Valid-Until: Sat", "Valid-Until: never, Sat"),
        ("  12 main", "  twelve main"),
        ("abab", "xyxy"),
    ],
)
def test_a_signed_text_that_cannot_be_read_is_refused(check: Checker, old: str, new: str) -> None:
    with pytest.raises(TrustError, match=r"can(not)? be read"):
        check(TEXT.replace(old, new))


def test_a_signed_text_in_another_encoding_is_refused(check: Checker) -> None:
    import pysequoia

    text = TEXT.replace("Debian\n", "D\xe9bian\n", 1).encode("latin-1")
    mode = pysequoia.SignatureMode.CLEAR
    with pytest.raises(SignatureError):
        check.signed(bytes(pysequoia.sign(check.key.signer(), text, mode=mode)))


def test_a_keyring_that_is_none_is_named(check: Checker, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"not keys")
    for path in (tmp_path / "keys", tmp_path / "nothing"):
        check.keyring = str(path)
        with pytest.raises(TrustError):
            check(TEXT)


def test_the_shipped_keyring_is_the_one_that_its_readme_describes() -> None:
    import pysequoia

    readme = (Path(KEYRING).parent / "README.md").read_text()
    written = {"".join(f.split()).lower() for f in re.findall(r"`((?:[0-9A-F]{4} ?){10})`", readme)}
    certificates = pysequoia.Cert.split_file(KEYRING)
    assert {certificate.fingerprint for certificate in certificates} == written
    assert len(written) == 6
    assert Path(KEYRING).name in readme
    assert Digest.of(Path(KEYRING).read_bytes()).hex in readme


def test_all_trust_errors_are_integrity_errors() -> None:
    kinds = [value for value in vars(module).values() if isinstance(value, type)]
    trust = [kind for kind in kinds if issubclass(kind, TrustError)]
    assert len({kind.code for kind in trust}) == len(trust) == 6
    assert issubclass(TrustError, IntegrityError)

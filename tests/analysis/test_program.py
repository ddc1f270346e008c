from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.analysis.program import readable_packages
from laststage.detect.go.app import EVERYTHING
from laststage.plan.go.draft import OPTIONAL

ELF = b"\x7fELF" + bytes(60)


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        (b"", ()),
        (b"/etc/ssl/certs/ca-certificates.crt", ("ca-certificates",)),
        (b"/etc/ssl/cert.pem", ("ca-certificates",)),
        (b"x/usr/share/zoneinfo/y", ("tzdata",)),
        (b"/etc/services\0/etc/mime.types", ("media-types", "netbase")),
        (b"/etc/passwd", ()),
    ],
)
def test_paths_that_stand_in_it(text: bytes, packages: tuple[str, ...]) -> None:
    assert readable_packages(ELF + text) == packages


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fEL", b"MZ/usr/share/zoneinfo"])
def test_what_is_no_program(data: bytes) -> None:
    assert readable_packages(data) is None


def test_the_plan_leaves_out_what_this_can_find() -> None:
    paths = (b"/etc/ssl/cert", b"/etc/mime.types", b"/etc/protocols", b"/usr/share/zoneinfo")
    assert readable_packages(ELF + b"".join(paths)) == OPTIONAL == EVERYTHING


@given(st.binary(), st.binary())
def test_more_of_a_program_reads_no_less(one: bytes, other: bytes) -> None:
    less = readable_packages(ELF + one + b"/etc/services")
    more = readable_packages(ELF + one + b"/etc/services" + other)
    assert less is not None
    assert more is not None
    assert set(less) <= set(more)

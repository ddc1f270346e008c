"""Digests as the OCI image specification writes them: ``algorithm:hex``."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from laststage.errors import UsageError

_SIZES = {"sha256": 64, "sha512": 128}
_HEX = frozenset("0123456789abcdef")


class Digest(Struct, frozen=True, order=True):
    """A digest that has been checked: safe as a dict key and as a file name."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``algorithm:hex`` from an untrusted source. Raise UsageError for anything else."""
        algorithm, _, digits = text.partition(":")
        if len(digits) != _SIZES.get(algorithm) or not _HEX.issuperset(digits):
            raise UsageError(
                f"not a digest: {text!r}", hint="expected sha256: and 64 lower-case hex digits"
            )
        return cls(algorithm, digits)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the SHA-256 digest of *data*."""
        return cls("sha256", hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

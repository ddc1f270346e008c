"""What layers weigh, and what of it an attacker could use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.oci.layerstore import Layers
from laststage.store.records import Records
from laststage.tree.entry import Entry

if TYPE_CHECKING:
    from laststage.oci.layers import Piece

_FOLDERS = frozenset(
    ("bin", "busybox", "sbin", "usr/bin", "usr/local/bin", "usr/local/sbin", "usr/sbin")
)  # fmt: skip
SHELLS = frozenset(
    ("sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "tcsh", "zsh")
)
MANAGERS = frozenset(
    ("apk", "apt", "apt-get", "aptitude", "dnf", "dpkg", "microdnf", "opkg", "pacman", "rpm",
     "tdnf", "yum", "zypper")
)  # fmt: skip


class Weight(Struct, frozen=True):
    """Sums over layers: *files* and their *size* in bytes, *compressed* as layers in bytes.

    Executables are files with an execute bit; shells and package managers go by their names. Of the
    layers that are *elsewhere*, a number, only the compressed size is known.
    """

    files: int
    size: int
    compressed: int
    executables: int
    shells: tuple[str, ...]
    managers: tuple[str, ...]
    elsewhere: int = 0


class Scales:
    """Weighs layers, each once."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._records = Records(layers.store, "weights", Weight)

    def weigh(self, identifiers: Iterable[str]) -> Weight:
        """Return what the layers *identifiers* weigh together."""
        weights = [self._one(identifier) for identifier in dict.fromkeys(identifiers)]
        return Weight(
            files=sum(weight.files for weight in weights),
            size=sum(weight.size for weight in weights),
            compressed=sum(weight.compressed for weight in weights),
            executables=sum(weight.executables for weight in weights),
            shells=_merged(weight.shells for weight in weights),
            managers=_merged(weight.managers for weight in weights),
            elsewhere=sum(weight.elsewhere for weight in weights),
        )

    def _one(self, identifier: str) -> Weight:
        known = self._records.get(identifier)
        if known is None:
            blob = self._layers.any_blob(identifier)
            if blob is not None and not self._layers.is_here(identifier):
                return Weight(0, 0, blob.size, 0, (), (), elsewhere=1)
            known = self._weigh(identifier)
            self._records.put(identifier, known)
        return known

    def _weigh(self, identifier: str) -> Weight:
        from laststage.oci.layers import weigh_layer

        layers = self._layers
        blob = layers.any_blob(identifier)
        if blob is not None:
            return weight_of(layers.entries(identifier), blob.size)
        seen: list[Entry] = []

        def noted() -> Iterator[Piece]:
            for piece in layers.pieces(identifier):
                seen.append(piece[0])
                yield piece

        compressed = weigh_layer(noted(), layers.pool)
        return weight_of(seen, compressed)


def weight_of(entries: Iterable[Entry], compressed: int) -> Weight:
    """Return the weight of a layer that holds *entries* and is *compressed* bytes long."""
    files = size = executables = 0
    shells, managers = set(), set()
    for entry in entries:
        if entry.kind == "file":
            files += 1
            size += entry.size
            executables += entry.mode & 0o111 != 0
        if entry.kind in ("file", "hardlink", "symlink") and _is_command(entry):
            shells.update({entry.name} & SHELLS)
            managers.update({entry.name} & MANAGERS)
    return Weight(
        files, size, compressed, executables, tuple(sorted(shells)), tuple(sorted(managers))
    )


def _is_command(entry: Entry) -> bool:
    return entry.parent in _FOLDERS


def _merged(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for group in names for name in group}))

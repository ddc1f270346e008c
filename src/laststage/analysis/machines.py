"""What the dynamic linker of each architecture calls itself, and where it looks by default."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from laststage.analysis.elf import Elf
from laststage.errors import UsageError


class Machine(Struct, frozen=True):
    """An architecture as ELF files and glibc name it; *interpreter* is where glibc's linker is."""

    number: int
    bits: int
    order: Literal["little", "big"]
    triplet: str
    interpreter: str
    name: str

    def fits(self, elf: Elf) -> bool:
        """Whether code in *elf* can run in a process of this architecture."""
        return (elf.machine, elf.bits, elf.order) == (self.number, self.bits, self.order)


_MACHINES = {
    "amd64": Machine(62, 64, "little", "x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2", "x86_64"),
    "arm64": Machine(
        183, 64, "little", "aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1", "aarch64"
    ),
    "arm": Machine(40, 32, "little", "arm-linux-gnueabihf", "lib/ld-linux-armhf.so.3", "arm"),
    "386": Machine(3, 32, "little", "i386-linux-gnu", "lib/ld-linux.so.2", "i386"),
    "ppc64le": Machine(21, 64, "little", "powerpc64le-linux-gnu", "lib64/ld64.so.2", "powerpc64le"),
    "riscv64": Machine(
        243, 64, "little", "riscv64-linux-gnu", "lib/ld-linux-riscv64-lp64d.so.1", "riscv64"
    ),
    "s390x": Machine(22, 64, "big", "s390x-linux-gnu", "lib/ld64.so.1", "s390x"),
}


def machine_of(architecture: str) -> Machine:
    """Return the machine of an *architecture* as platforms name it.

    Raise UsageError for one that is not known here.
    """
    machine = _MACHINES.get(architecture)
    if machine is None:
        raise UsageError(
            f"the native libraries of {architecture} cannot be examined",
            hint="choose one of " + ", ".join(_MACHINES),
        )
    return machine


def machine_name(elf: Elf) -> str:
    """Return the name of what *elf* was made for, as a message can say it."""
    for machine in _MACHINES.values():
        if machine.fits(elf):
            return machine.name
    return f"machine {elf.machine}, {elf.bits} bits, {elf.order} endian"

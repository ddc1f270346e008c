"""What a program without libraries can read at run time, by the paths that are written in it.

A static program opens a file by a path that it holds. Linkers drop what no code reaches, the path
with it: so a program in which none of the usual places of the certificates stands cannot use them.
"""

from __future__ import annotations

_PATHS = {
    "ca-certificates": (b"/etc/ssl/certs/ca-certificates.crt", b"/etc/ssl/cert"),
    "media-types": (b"/etc/mime.types",),
    "netbase": (b"/etc/services", b"/etc/protocols"),
    "tzdata": (b"/usr/share/zoneinfo",),
}
_ELF = b"\x7fELF"


def readable_packages(program: bytes) -> tuple[str, ...] | None:
    """Return the packages of ``static`` of which *program* may read a file, sorted by name.

    None if that cannot be told from it: it is no ELF program.
    """
    if not program.startswith(_ELF):
        return None
    return tuple(
        package for package, paths in _PATHS.items() if any(path in program for path in paths)
    )

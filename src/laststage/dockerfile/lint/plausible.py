"""Whether a variable that the file does not set may come from a base image that is not known.

A check that cries wolf is skipped for good, so only what is surely or very likely a mistake counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# What well-known images set, by how the names begin.
_CONVENTIONAL = re.compile(
    r"(?:ASPNET|BUNDLE_|CARGO_|CATALINA_|CONDA|CUDA|DEBIAN_FRONTEND|DOTNET|ELIXIR_|GEM_|GO|GPG_KEY"
    r"|GRADLE|HOME|HOSTNAME|HTTPD_|JAVA|JDK|JRE|JULIA_|LANG|LC_|LD_LIBRARY_PATH|MAMBA_|MARIADB_"
    r"|MAVEN_|MONGO|MYSQL_|NGINX_|NJS_|NODE|NPM_|NUGET_|NV|OTP_|PATH|PERL|PG|PHP|PKG_RELEASE|PIP_"
    r"|PKG_CONFIG_PATH|POSTGRES|PWD|PYPY_|PYTHON|RABBITMQ_|RACK_|RAILS_|REDIS_|RUBY|RUST|R_HOME"
    r"|SHELL|SSL_CERT_|SWIFT_|TERM|TOMCAT_|TZ|USER|UV_|VIRTUAL_ENV|YARN_)[A-Z0-9_]*"
)


def may_be_inherited(name: str, *, known: Iterable[str], elsewhere: frozenset[str]) -> bool:
    """Whether *name* may well be set by the base image.

    *known* is what is set at this point, *elsewhere* what the file sets anywhere.
    """
    if _CONVENTIONAL.fullmatch(name):
        return not any(_is_slip(name, other) for other in known if sorted(name) == sorted(other))
    if name in elsewhere or not name.isupper():
        return False
    return not any(_is_slip(name, other) for other in known)


def _is_slip(name: str, other: str) -> bool:
    """Whether *name* is *other* with one letter wrong, missing or added, or two swapped."""
    longest = max(len(name), len(other))
    if longest < 3 or abs(len(name) - len(other)) > 1:
        return False
    if len(name) == len(other) and sorted(name) == sorted(other):
        return sum(a != b for a, b in zip(name, other, strict=True)) == 2
    start = 0
    while start < min(len(name), len(other)) and name[start] == other[start]:
        start += 1
    rest, others = name[start:], other[start:]
    if len(name) == len(other):
        return rest[1:] == others[1:]
    return rest[1:] == others or rest == others[1:]

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


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name among *known* that was probably meant, or nothing."""
    far = 2 if len(name) > 3 else 1
    near = (
        (_distance(name, other), other) for other in known if abs(len(name) - len(other)) <= far
    )
    distance, other = min(near, default=(far + 1, ""))
    return other if len(name) > 2 and distance <= far else ""


def _is_slip(name: str, other: str) -> bool:
    """Whether *name* is *other* with one letter wrong, missing or added, or two swapped."""
    if len(name) < 3 or abs(len(name) - len(other)) > 1:
        return False
    swapped = sorted(name) == sorted(other) and sum(map(str.__ne__, name, other)) == 2
    return swapped or _distance(name, other) == 1


def _distance(one: str, other: str) -> int:
    """Return how many letters must be changed, added or taken away."""
    row = list(range(len(other) + 1))
    for position, letter in enumerate(one, 1):
        previous, row[0] = row[0], position
        for column, against in enumerate(other, 1):
            cheapest = min(row[column] + 1, row[column - 1] + 1, previous + (letter != against))
            previous, row[column] = row[column], cheapest
    return row[-1]

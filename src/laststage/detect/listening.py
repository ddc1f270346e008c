"""Where a compiled program listens: what its port is, and what of that needs to be told."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.literals import line_of
from laststage.detect.profile import Decision, Evidence

LOOPBACK = ("localhost", "127.0.0.1")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is written into plans, not bound
HOSTS = ("", EVERYWHERE, *LOOPBACK)
_HEALTH = re.compile(
    r"\"(?:GET )?(/(?:api/)?(?:healthz?|livez|_health|health[-_]?check|ping|readyz))\""
)
_EXPOSE = re.compile(r"^\s*EXPOSE\s+(\d{2,5})(?:/tcp)?\b", re.MULTILINE | re.IGNORECASE)
_DOCKERFILES = ("Dockerfile", "Dockerfile.multistage", "docker/Dockerfile", "build/Dockerfile")


class Rebinding(Struct, frozen=True):
    """A change of the source *path* in the build stage: *old* text, and the *new* one."""

    path: str
    old: str
    new: str

    @property
    def command(self) -> str:
        """The command that makes the change."""
        old = re.sub(r"([][\\.*^$/])", r"\\\1", self.old)
        return f"sed -i 's/{old}/{self.new}/' {self.path}"


class Port(Struct, frozen=True, kw_only=True):
    """The port *number*, 0 if there is none to be seen; *variable* is what sets another one.

    *env* is what else makes the program listen where it is reached, *rebinding* what has to be
    changed in its source for that.
    """

    number: int = 0
    variable: str = ""
    env: dict[str, str] = {}
    rebinding: Rebinding | None = None
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def environment(self, said: int) -> dict[str, str]:
        """Return what to set for this port, or for the one that its owner *said*."""
        number = said or self.number
        found = {self.variable: str(number)} if self.variable and number else {}
        old = f":{self.number}"
        return found | {
            name: value.removesuffix(old) + f":{number}" if value.endswith(old) else value
            for name, value in self.env.items()
        }


def port_of_variable(name: str, default: int, where: str) -> Port:
    """Return the port that *name* sets; its *default* may be one that not everybody may use."""
    number = default if 1024 <= default < 65536 else 8080
    decisions = []
    if default and number != default:
        decisions.append(
            Decision(f"{name}={number}", f"its own {default} is for the superuser on many hosts")
        )
    elif not default:
        decisions.append(Decision(f"{name}={number}", "it takes its port from there"))
    return Port(
        number=number,
        variable=name,
        evidence=(Evidence(f"its port is in {name}", where),),
        decisions=tuple(decisions),
    )


def port_of_literal(host: str, number: int, where: str, old: str, new: str) -> Port | None:
    """Return the port that stands in the source with its *host*, None if it is none.

    *old* is how the source says the address, *new* how it would say it for every network.
    """
    if not 0 < number < 65536:
        return None
    path = where.rpartition(":")[0]
    rebinding = None
    decisions = []
    if host in LOOPBACK and old != new and "'" not in old:
        rebinding = Rebinding(path, old, new)
        why = f"on {host}, as {where} says, nothing outside its container reaches it"
        decisions.append(Decision(f"{new} in the build stage's copy of {path}", why))
    elif number < 1024:
        why = "it is for the superuser on some hosts, and this image runs as nonroot"
        decisions.append(Decision(f"port {number} as it is", why))
    return Port(
        number=number,
        rebinding=rebinding,
        evidence=(Evidence(f"listens on port {number}", where),),
        decisions=tuple(decisions),
    )


def find_health(codes: Iterable[tuple[str, str]]) -> tuple[str, Evidence] | None:
    """Return the path that tells how a program is, and where it stands; None without one.

    *codes* are the paths and texts of its sources.
    """
    for path, code in codes:
        if match := _HEALTH.search(code):
            where = f"{path}:{line_of(code, match.start())}"
            return match[1], Evidence(f"answers {match[1]}", where)
    return None


def port_of_dockerfile(app: AppFolder) -> Port:
    """Return the port that a Dockerfile beside the app names, if there is one."""
    for name in filter(app.has, _DOCKERFILES):
        text = app.text(name)
        if match := _EXPOSE.search(text):
            where = f"{name}:{line_of(text, match.start(1))}"
            return Port(number=int(match[1]), evidence=(Evidence(f"port {match[1]}", where),))
    return Port()

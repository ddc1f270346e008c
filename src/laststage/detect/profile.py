"""What was found out about an app, whatever its language."""

from __future__ import annotations

from msgspec import Struct


class Evidence(Struct, frozen=True):
    """A fact, and where it stands: *where* is ``file`` or ``file:line`` within the app's folder."""

    fact: str
    where: str


class Decision(Struct, frozen=True):
    """Something that the plan does one way where there were others, and why."""

    what: str
    why: str


# said of a program that reads its settings from a file which no image may hold
WITHOUT_ENV_FILE = Decision(
    ".env stays out of the image",
    "it may hold secrets: give what is in it at the start, with -e",
)


class App(Struct, frozen=True, kw_only=True):
    """What every profile has; each language adds its own.

    *port* is the one that the app listens on, 0 for none; *health* a path that answers when it is
    well; *env* what it needs to be told at run time. *build_packages* and *run_packages* are
    Debian packages for the build stage, and those whose files the last stage needs. *files* are
    paths of the app's folder that go into the last stage beside what its language takes. *loads*
    are libraries that are loaded by name at run time, each list under the name of who does that.
    """

    name: str
    evidence: tuple[Evidence, ...]
    decisions: tuple[Decision, ...] = ()
    port: int = 0
    health: str = ""
    env: dict[str, str] = {}
    build_packages: tuple[str, ...] = ()
    run_packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    loads: dict[str, tuple[str, ...]] = {}

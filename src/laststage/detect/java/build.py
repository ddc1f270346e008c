"""What a build tool's files tell of an app, whatever the tool."""

from __future__ import annotations

from msgspec import Struct

from laststage.detect.java.profile import Kind, Tool
from laststage.detect.profile import Decision, Evidence


class Build(Struct, kw_only=True):
    """What is built, and how; see JavaProfile for what has the same name there.

    *framework* is ``spring-boot``, ``quarkus``, ``micronaut``, ... or empty, *version* that of it.
    *java* is the version that the build asks for, 0 for none, *java_where* where it does.
    *dependencies* are the names of libraries that the app runs with. *main* is empty where the
    build does not say, and the sources are to; *kotlin* whether they may be Kotlin.
    """

    tool: Tool
    kind: Kind
    artifact: str
    command: str
    evidence: list[Evidence]
    decisions: list[Decision]
    module: str = ""
    libraries: str = ""
    main: str = ""
    main_where: str = ""
    framework: str = ""
    version: str = ""
    java: int = 0
    java_where: str = ""
    name: str = ""
    dependencies: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    kotlin: bool = False


def is_before(version: str, *than: int) -> bool:
    """Whether *version* is known, and lower than the numbers of *than*."""
    import re

    numbers = tuple(map(int, re.findall(r"\d+", version)[: len(than)]))
    return bool(numbers) and numbers < than[: len(numbers)]

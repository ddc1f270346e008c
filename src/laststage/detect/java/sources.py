"""What the sources of a Java or Kotlin app tell: where it starts, what it listens on, what it draws."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder

_SKIPPED = frozenset(
    ("node_modules", "target", "build", "test", "tests", "androidTest", "testFixtures")
)
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)", re.MULTILINE)
_MAIN = re.compile(
    r"\b(?:public\s+static|static\s+public)\s+(?:final\s+|synchronized\s+)*void\s+main\s*\("
)
_KOTLIN_MAIN = re.compile(r"^(?:suspend\s+)?fun\s+main\s*\(", re.MULTILINE)
_KOTLIN_STATIC = re.compile(r"@JvmStatic\s+fun\s+main\s*\(")
_KOTLIN_OBJECT = re.compile(r"^(?:object|class)\s+(\w+)", re.MULTILINE)
_FILE_NAME = re.compile(r"@file:JvmName\(\"(\w+)\"\)")
_COMMENTS = re.compile(r"/\*.*?\*/|(?<![:\"])//[^\n]*", re.DOTALL)
_READS_PORT = re.compile(
    r"getenv(?:\(\)\s*(?:\.\s*(?:get|getOrDefault))?\s*\(|\()?\s*[\(\[]?\s*\"PORT\"|environment\[\"PORT\"\]|env\(\"PORT\"\)"
)
_PORTS = (
    re.compile(r"\"PORT\"\s*,\s*\"?(\d{2,5})"),
    re.compile(r"\"PORT\"[^;\n]{0,60}?(?:\?:|\bif\b|\?|:|orElse\()[^;\n]{0,60}?\"?(\d{4,5})"),
    re.compile(r"new\s+InetSocketAddress\s*\((?:\s*\"[^\"]*\"\s*,)?\s*(\d{2,5})"),
    re.compile(r"\bInetSocketAddress\s*\((?:\s*\"[^\"]*\"\s*,)?\s*(\d{2,5})"),
    re.compile(r"\b(?:setPort|port|listen|start|bind|bindNow|withPort|addHttpListener|Server|ServerSocket|Undertow\.port)\s*\(\s*(\d{2,5})\b"),
    re.compile(r"\bport\s*=\s*(\d{2,5})\b"),
    re.compile(r"\b(?:[A-Z_]*PORT|[pP]ort|[a-z]+Port)\s*(?::\s*Int\s*)?=\s*(\d{2,5})\b"),
)  # fmt: skip
_DRAWS = re.compile(
    r"^import\s+(?:static\s+)?(?:java\.awt|javax\.imageio|javax\.swing|javax\.print)\b",
    re.MULTILINE,
)
_SPEAKS = re.compile(
    r"Locale\.(?:forLanguageTag|of\(|GERMAN|GERMANY|FRENCH|FRANCE|ITALIAN|ITALY|JAPAN|CHINA|CHINESE|KOREA)|new\s+Locale\(|LocaleResolver"
)


class Main(Struct, frozen=True):
    """A class that a program can start with, and where its main function is."""

    name: str
    where: str
    is_boot: bool = False


class Sources(Struct, frozen=True, kw_only=True):
    """What was read in the sources: *port* is 0 if none was found."""

    mains: tuple[Main, ...] = ()
    port: int = 0
    port_where: str = ""
    reads_port: bool = False
    draws: str = ""
    speaks: str = ""


def read_sources(app: AppFolder, folder: str, *, kotlin: bool) -> Sources:
    """Return what the sources of the module in *folder* tell; Kotlin's only if it is compiled."""
    mains: list[Main] = []
    port, place, draws, speaks, reads_port = 0, "", "", "", False
    for path in _paths(app, folder, (".java", ".kt") if kotlin else (".java",)):
        whole = app.text(path)
        text = _COMMENTS.sub(lambda match: "\n" * match[0].count("\n"), whole)
        mains += _mains(path, text)
        reads_port = reads_port or _READS_PORT.search(text) is not None
        if not port and (found := _port(text)) is not None:
            port, place = int(found[1]), f"{path}:{_line(text, found.start())}"
        if not draws and (match := _DRAWS.search(text)):
            draws = f"{path}:{_line(text, match.start())}"
        if not speaks and (match := _SPEAKS.search(text)):
            speaks = f"{path}:{_line(text, match.start())}"
    return Sources(
        mains=tuple(mains),
        port=port,
        port_where=place,
        reads_port=reads_port,
        draws=draws,
        speaks=speaks,
    )


def _paths(app: AppFolder, folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    start = f"{app.root}/{folder}" if folder else app.root
    for parent, folders, names in os.walk(start):
        inside = os.path.relpath(parent, start)
        folders[:] = sorted(
            name
            for name in folders
            if name[0] != "."
            and not (name in _SKIPPED and "main" not in inside.split("/"))
            # another module is not this one
            and not (
                inside != "."
                and any(
                    os.path.exists(f"{parent}/{name}/{file}")
                    for file in ("pom.xml", "build.gradle", "build.gradle.kts")
                )
            )
        )
        for name in sorted(names):
            if name.endswith(endings) and not name.endswith(("Test.java", "Tests.java", "Test.kt")):
                yield os.path.relpath(f"{parent}/{name}", app.root)


def _mains(path: str, text: str) -> Iterator[Main]:
    package = _PACKAGE.search(text)
    prefix = f"{package[1]}." if package else ""
    stem = os.path.splitext(os.path.basename(path))[0]
    is_boot = "@SpringBootApplication" in text or "@QuarkusMain" in text
    if path.endswith(".java"):
        if match := _MAIN.search(text):
            yield Main(f"{prefix}{stem}", f"{path}:{_line(text, match.start())}", is_boot)
        return
    if match := _KOTLIN_MAIN.search(text):
        named = _FILE_NAME.search(text)
        name = named[1] if named else f"{stem[:1].upper()}{stem[1:]}Kt"
        yield Main(f"{prefix}{name}", f"{path}:{_line(text, match.start())}", is_boot)
    elif match := _KOTLIN_STATIC.search(text):
        owners = [found[1] for found in _KOTLIN_OBJECT.finditer(text, 0, match.start())]
        if owners:
            yield Main(f"{prefix}{owners[-1]}", f"{path}:{_line(text, match.start())}", is_boot)


def _port(text: str) -> re.Match[str] | None:
    for pattern in _PORTS:
        for match in pattern.finditer(text):
            if 79 < int(match[1]) < 65536:
                return match
    return None


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1

"""Rust sources: the strings in them, and where the program listens."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from msgspec import structs

from laststage.detect.files import AppFolder
from laststage.detect.listening import (
    EVERYWHERE,
    LOOPBACK,
    Port,
    port_of_dockerfile,
    port_of_literal,
    port_of_variable,
)
from laststage.detect.literals import Literal, blanked, line_of
from laststage.detect.profile import Decision, Evidence
from laststage.detect.rust.manifest import Manifest, Package, Program

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)|r(?P<hash>#*)\"(?P<raw>.*?)\"(?P=hash)"
    r"|\"(?P<text>(?:\\.|[^\"\\])*+)\"|'(?:\\[^']+|[^'\\\n])'",
    re.DOTALL,
)
# What the compiler reads, so that the program need not; and attributes.
_COMPILED = re.compile(
    r"\b(?:include_str|include_bytes|include_dir|include|embed_migrations|migrate|query_file\w*)!\s*"
    r"[(\[{][^)\]}]*[)\]}]|#!?\[(?:[^\[\]\"]|\"[^\"]*\"|\[[^\]]*\])*\]"
)
_INCLUDED = re.compile(
    r"\b(?:include_str|include_bytes|include_dir|include)!\s*[(\[{]\s*\"([^\"]+)\""
    r"|#\[folder\s*=\s*\"([^\"]+)\"|\bAsset(?:File)?s?!\(\s*\"([^\"]+)\""
)
_TESTS = re.compile(r"^#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{", re.MULTILINE)
_SQLX = re.compile(r"\bquery(?:_as|_scalar)?!\s*\(")
_NOT_SOURCES = frozenset(("benches", "examples", "target", "tests"))
_ASKED = r"\b(?:env::)?(?:var|var_os|get_env|env_var|env)(?:::<\w+>)?\(\s*\""
_PORT_ENV = re.compile(_ASKED + r"(\w*PORT)\"")
_HOST_ENV = re.compile(_ASKED + r"(HOST|\w*_HOST|ADDRESS|BIND_IP)\"")
_ADDRESS_ENV = re.compile(_ASKED + r"(\w*ADDR(?:ESS)?|\w*BIND\w*|\w*LISTEN\w*)\"")
_CLAP_PORT = re.compile(r"env\s*=\s*\"(PORT)\"")
_DEFAULT = re.compile(
    r"\"(?:[\w.]*:)?(\d{2,5})\"|\b(?:unwrap_or|Ok|Some)\(\s*(\d{2,5})|=>\s*(\d{2,5})\b"
    r"|\bdefault_value(?:_t)?\s*[=(]\s*\"?(\d{2,5})|\|\w*\|\s*(\d{4,5})\b"
)
_HOSTS = r"(?P<host>localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|)"
_PORTS = (
    re.compile(r"\"" + _HOSTS + r":(?P<port>\d{2,5})\""),
    re.compile(r"\"(?P<host>localhost|127\.0\.0\.1|0\.0\.0\.0|::)\"(?:\.\w+\(\))?\s*,\s*(?P<port>\d{2,5})\b"),
    re.compile(r"\[\s*(?P<octets>\d+(?:\s*,\s*\d+){3,7})\s*\]\s*(?:\.into\(\)\s*)?,\s*(?P<port>\d{2,5})\b"),
    re.compile(
        r"\bIpv[46]Addr::(?:new\((?P<octets>[\d,\s]+)\)|(?P<named>LOCALHOST|UNSPECIFIED))\s*\)?\s*,"
        r"\s*(?P<port>\d{2,5})\b"
    ),
    re.compile(r"\bdefault_value(?:_t)?\s*[=(]\s*\"?(?P<port>\d{4,5})\b"),
    re.compile(r"\b(?i:\w*port)\s*(?::\s*\w+)?\s*=\s*(?P<port>\d{4,5})\b"),
)  # fmt: skip


def sources_of(app: AppFolder, manifest: Manifest, program: Program) -> tuple[str, ...]:
    """Return the sources of *program*, its own first, and of the packages in folders that it uses."""
    packages = {package.folder: package for package in manifest.packages}
    others = {one.source for package in packages.values() for one in package.programs}
    seen: dict[str, None] = {program.source: None} if app.has(program.source) else {}
    waiting = [program.folder]
    done = set()
    while waiting:
        folder = waiting.pop(0)
        if folder in done:
            continue
        done.add(folder)
        for path in _rust_files(app, folder, packages):
            if path not in others:
                seen.setdefault(path)
        if folder in packages:
            waiting += packages[folder].folders
    return tuple(seen)


def _rust_files(app: AppFolder, folder: str, packages: dict[str, Package]) -> Iterator[str]:
    for path in app.walk(".rs"):
        inside = posixpath.relpath(path, folder or ".")
        if inside.startswith("..") or inside.split("/")[0] in _NOT_SOURCES:
            continue
        owner = max(
            (one for one in packages if not one or path.startswith(f"{one}/")), key=len, default=""
        )
        if owner == folder:
            yield path


def literals_of(app: AppFolder, paths: Iterable[str]) -> Iterator[Literal]:
    """Yield the strings of the sources *paths*, without what the compiler reads itself."""
    for path, whole in codes_of(app, paths):
        code = _COMPILED.sub(lambda match: "\n" * match[0].count("\n") or " ", whole)
        for token in _TOKEN.finditer(code):
            value = token["text"] if token["text"] is not None else token["raw"]
            if value and len(value) < 200:
                yield Literal(value, f"{path}:{line_of(code, token.start())}")


def compiled_in(app: AppFolder, paths: Iterable[str], folder: str) -> Iterator[str]:
    """Yield the files that the compiler puts into the program, and their folders.

    *folder* is that of the package; all are from the app's folder.
    """
    for path in paths:
        for match in _INCLUDED.finditer(app.text(path)):
            stated = match[1] or match[2] or match[3]
            at_root = "CARGO_MANIFEST_DIR" in stated or match[2]
            stated = stated.replace("$CARGO_MANIFEST_DIR/", "")
            base = folder if at_root else posixpath.dirname(path)
            found = posixpath.normpath(posixpath.join(base, stated))
            yield found
            parent = posixpath.dirname(found)
            if parent not in (folder, posixpath.dirname(path)):
                yield parent


def codes_of(app: AppFolder, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the sources *paths* with their texts, without comments and tests."""
    for path in paths:
        code = blanked(app.text(path), _TOKEN)
        tests = _TESTS.search(code)
        yield path, code[: tests.start()] if tests else code


def checked_queries(codes: Iterable[tuple[str, str]]) -> str:
    """Return where a query stands that sqlx checks as it compiles, "" if there is none."""
    for path, code in codes:
        if match := _SQLX.search(code):
            return f"{path}:{line_of(code, match.start())}"
    return ""


def find_port(app: AppFolder, codes: list[tuple[str, str]]) -> Port:
    """Return the port that a program listens on; *codes* are the paths and texts of its sources."""
    found = _of_address(codes) or _of_variable(codes) or _of_source(codes)
    return found or port_of_dockerfile(app)


def _of_address(codes: list[tuple[str, str]]) -> Port | None:
    for path, code in codes:
        for match in _ADDRESS_ENV.finditer(code):
            near = _PORTS[0].search(code, match.end(), match.end() + 200)
            if near:
                where = f"{path}:{line_of(code, match.start())}"
                address = f"{EVERYWHERE}:{near['port']}"
                told = Decision(f"{match[1]}={address}", f"its own is {near[0]}")
                is_local = near["host"] in LOOPBACK
                return Port(
                    number=int(near["port"]),
                    env={match[1]: address} if is_local else {},
                    evidence=(Evidence(f"its address is in {match[1]}", where),),
                    decisions=(told,) if is_local else (),
                )
    return None


def _of_variable(codes: list[tuple[str, str]]) -> Port | None:
    for path, code in codes:
        match = _PORT_ENV.search(code) or _CLAP_PORT.search(code)
        if match is None or match[1].startswith(("DB", "PG", "POSTGRES", "MYSQL", "REDIS", "SMTP")):
            continue
        start = match.start() - (200 if match.re is _CLAP_PORT else 0)
        near = _DEFAULT.search(code, max(start, 0), match.end() + 300)
        number = int(next(filter(None, near.groups()))) if near else 0
        found = port_of_variable(match[1], number, f"{path}:{line_of(code, match.start())}")
        return _with_host(found, codes)
    return None


def _with_host(port: Port, codes: list[tuple[str, str]]) -> Port:
    for path, code in codes:
        for match in _HOST_ENV.finditer(code):
            if match[1].startswith(("DB", "PG", "POSTGRES", "MYSQL", "REDIS", "SMTP")):
                continue
            where = f"{path}:{line_of(code, match.start())}"
            why = f"it takes its host from there ({where}), and is reached from outside"
            told = Decision(f"{match[1]}={EVERYWHERE}", why)
            return structs.replace(
                port, env={match[1]: EVERYWHERE}, decisions=(*port.decisions, told)
            )
    return port


def _of_source(codes: list[tuple[str, str]]) -> Port | None:
    for pattern in _PORTS:
        for path, code in codes:
            if match := pattern.search(code):
                where = f"{path}:{line_of(code, match.start())}"
                new = _everywhere(match[0])
                return port_of_literal(_host(match), int(match["port"]), where, match[0], new)
    return None


def _everywhere(text: str) -> str:
    """Return *text*, which says an address of the loopback, with that of every network."""
    text = re.sub(
        r"\b127(\s*),(\s*)0(\s*),(\s*)0(\s*),(\s*)1\b", r"0\1,\g<2>0\3,\g<4>0\5,\g<6>0", text
    )
    text = re.sub(r"localhost|127\.0\.0\.1", EVERYWHERE, text)
    return text.replace("Ipv4Addr::LOCALHOST", "Ipv4Addr::UNSPECIFIED")


def _host(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if groups.get("named"):
        return "127.0.0.1" if groups["named"] == "LOCALHOST" else EVERYWHERE
    if octets := groups.get("octets"):
        numbers = [int(part) for part in octets.split(",") if part.strip()]
        return (
            "127.0.0.1"
            if numbers[0] == 127 or (len(numbers) == 8 and numbers[-1] == 1)
            else EVERYWHERE
        )
    host = groups.get("host") or ""
    return "127.0.0.1" if host == "[::1]" else host

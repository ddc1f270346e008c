"""What an app's own JavaScript says: what it imports, on which port it listens, and where."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder

SUFFIXES = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx")
_TESTS = re.compile(
    r"(^|/)(tests?|__tests__|spec|e2e|cypress|\.storybook|stories)/|\.(test|spec|stories)\.\w+$|\.d\.\w?ts$"
)
_CONFIG = re.compile(
    r"(^|/)[\w.-]+\.config\.\w+$|(^|/)\.\w+rc\.\w+$|(^|/)(gulpfile|gruntfile|jest\.setup)\.\w+$",
    re.IGNORECASE,
)
_IMPORT = re.compile(
    r"""(?:\brequire\s*\(|\bimport\s*\(|\bfrom|^\s*import)\s*['"]([^'"\n]+)['"]""", re.MULTILINE
)
_TYPES = re.compile(r"^\s*(?:import|export)\s+type\s[^;'\"]*from\s*['\"][^'\"]+['\"]", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:'\"`\\])//[^\n]*", re.DOTALL)
_FALLBACK = r"""(?:\|\||\?\?|,)\s*(?:parseInt\(|Number\()?['"`]?(\d{2,5})\b"""
_ENV_PORT = re.compile(
    r"""(?:process\.env|\benv)(?:\.|\[['"])(?P<name>PORT|SERVER_PORT|APP_PORT|HTTP_PORT)\b['"\]]*\s*[!)]*(?:\s*as\s+\w+)?[)\s]*(?:,\s*10\s*\)\s*)?(?:"""
    + _FALLBACK
    + r""")?"""
)
_ENV_PORT_DEFAULT = re.compile(
    r"""\{[^{}]*\bPORT\s*=\s*['"]?(\d{2,5})\b[^{}]*\}\s*=\s*process\.env"""
)
_LISTEN = re.compile(
    r"""\.listen\s*\(|\bserve\s*\(\s*\{|\bcreateServer\s*\(|\bstartStandaloneServer\s*\(|Deno\.serve|\bBun\.serve|\.start\s*\(\s*\)"""
)
_LISTEN_LITERAL = re.compile(r"""\.listen\s*\(\s*(?:\{[^}]*\bport\s*:\s*)?['"]?(\d{2,5})\b""")
_SERVE_LITERAL = re.compile(r"""\bport\s*:\s*['"]?(\d{2,5})\b""")
_CONSTANT = re.compile(
    r"""\b(?:const|let|var)\s+\w*port\w*(?:\s*:\s*\w+)?\s*=\s*['"]?(\d{2,5})\b""", re.IGNORECASE
)
_LOCAL = re.compile(
    r"""\.listen\s*\([^;]*?['"](?:localhost|127\.0\.0\.1)['"]|\bhost(?:name)?\s*[:=]\s*['"](?:localhost|127\.0\.0\.1)['"]""",
    re.DOTALL,
)


class Port(Struct, frozen=True):
    """A port that the app listens on: its *number*, the *variable* that sets it, and *where*."""

    number: int
    variable: str
    where: str


class Sources(Struct, frozen=True, kw_only=True):
    """The app's own sources that its entry reaches.

    *files* are their paths, *packages* the names of what they import from node_modules, each with
    the first place that does.
    """

    files: tuple[str, ...]
    packages: dict[str, str]
    texts: dict[str, str]

    def first(self, pattern: re.Pattern[str]) -> str:
        """Return ``path:line`` of the first match of *pattern*, "" if there is none."""
        for path, text in self.texts.items():
            if match := pattern.search(text):
                return _where(path, text, match.start())
        return ""

    @property
    def listens(self) -> str:
        """The place that starts a server, "" if none is seen."""
        return self.first(_LISTEN)

    @property
    def listens_locally(self) -> str:
        """The place that listens on the loopback interface by name, "" if none does."""
        return self.first(_LOCAL) if self.listens else ""


def read_sources(app: AppFolder, folder: str, entry: str) -> Sources:
    """Return the sources that *entry* reaches; without one, all that are not tests or settings."""
    found: dict[str, str] = {}
    packages: dict[str, str] = {}
    waiting = [entry] if entry else list(_all(app, folder))
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        text = _without_comments(app.text(path))
        found[path] = text
        for name, position in _imports(text):
            if name.startswith("."):
                target = _resolve(app, posixpath.join(posixpath.dirname(path), name))
                if target and entry:
                    waiting.append(target)
            elif not name.startswith(("node:", "/", "#", "@/", "~")):
                packages.setdefault(_package(name), _where(path, text, position))
    return Sources(files=tuple(found), packages=packages, texts=found)


def find_port(sources: Sources) -> Port | None:
    """Return the port that the sources listen on, None if they do not say."""
    ports = [port for path, text in sources.texts.items() for port in _env_ports(path, text)]
    for port in ports:
        if port.number:
            return port
    literal = _literal(sources)
    if ports:
        return Port(literal.number if literal else 0, ports[0].variable, ports[0].where)
    return literal


def _env_ports(path: str, text: str) -> Iterator[Port]:
    for match in _ENV_PORT_DEFAULT.finditer(text):
        yield Port(int(match[1]), "PORT", _where(path, text, match.start()))
    for match in _ENV_PORT.finditer(text):
        yield Port(int(match[2] or 0), match["name"], _where(path, text, match.start()))


def _literal(sources: Sources) -> Port | None:
    for path, text in sources.texts.items():
        if match := _LISTEN_LITERAL.search(text):
            return Port(int(match[1]), "", _where(path, text, match.start()))
    for pattern in (_CONSTANT, _SERVE_LITERAL):
        for path, text in sources.texts.items():
            match = pattern.search(text)
            if match and sources.listens:
                return Port(int(match[1]), "", _where(path, text, match.start()))
    return None


def _all(app: AppFolder, folder: str) -> Iterator[str]:
    at = f"{folder}/" if folder else ""
    for path in app.walk(*SUFFIXES, depth=6):
        inside = path.removeprefix(at)
        if path.startswith(at) and not _TESTS.search(inside) and not _CONFIG.search(inside):
            yield path


def find_module(app: AppFolder, path: str) -> str:
    """Return the source that ``node path`` would run, or that is compiled to it; "" if none is."""
    return _resolve(app, path)


def _resolve(app: AppFolder, path: str) -> str:
    path = posixpath.normpath(path)
    if path.startswith(".."):
        return ""
    stem, suffix = posixpath.splitext(path)
    candidates = [path] if suffix else []
    # TypeScript imports what a file will be called
    candidates += {
        ".js": [f"{stem}.ts", f"{stem}.tsx"],
        ".mjs": [f"{stem}.mts"],
        ".cjs": [f"{stem}.cts"],
    }.get(suffix, [])
    candidates += [path + one for one in SUFFIXES]
    candidates += [f"{path}/index{one}" for one in SUFFIXES]
    candidates.append(path)
    for candidate in candidates:
        if app.has(candidate) and (candidate.endswith(SUFFIXES) or _is_script(app, candidate)):
            return candidate
    return ""


def _is_script(app: AppFolder, path: str) -> bool:
    """Whether a file without a suffix is JavaScript, like ``bin/www``."""
    return not posixpath.splitext(path)[1] and "require(" in app.text(path)


def _imports(text: str) -> Iterator[tuple[str, int]]:
    for match in _IMPORT.finditer(_TYPES.sub(lambda found: " " * len(found[0]), text)):
        yield match[1], match.start()


def _package(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:2]) if name.startswith("@") else parts[0]


def _without_comments(text: str) -> str:
    """Return *text* with its comments blank, so that positions stay."""
    return _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _where(path: str, text: str, position: int) -> str:
    return f"{path}:{text.count(chr(10), 0, position) + 1}"

"""A server's own settings: application.properties, application.yml and their like."""

from __future__ import annotations

import re

from laststage.detect.files import AppFolder

_NAMES = (
    "application.properties", "application.yml", "application.yaml", "application.conf",
    "config/application.properties", "config/application.yml", "config/application.yaml",
    "bootstrap.properties", "bootstrap.yml", "microprofile-config.properties",
    "META-INF/microprofile-config.properties",
)  # fmt: skip
_PROPERTY = re.compile(r"^\s*([^#!=:\s]+)\s*[=:]?\s*(.*?)\s*$")
_YAML = re.compile(r"^(\s*)([\w.\-\"']+)\s*:\s*(.*?)\s*$")
_DEFAULT = re.compile(r"\$\{[^{}:]+:([^{}]*)\}")


class ServerSettings:
    """The settings in the resources of the module in *folder*, those of no profile."""

    def __init__(self, app: AppFolder, folder: str) -> None:
        self._found: dict[str, tuple[str, str]] = {}
        base = f"{folder}/" if folder else ""
        for resources in (f"{base}src/main/resources", f"{base}resources", f"{base}config"):
            for name in _NAMES:
                path = f"{resources}/{name}"
                if app.has(path):
                    read = _of_yaml if path.endswith((".yml", ".yaml")) else _of_properties
                    if path.endswith(".conf"):
                        read = _of_hocon
                    for line, key, value in read(app.text(path)):
                        self._found.setdefault(_plain(key), (value, f"{path}:{line}"))

    def get(self, *keys: str) -> tuple[str, str]:
        """Return the value of the first of *keys* that is set, and where; two empty texts for none.

        A placeholder with a default stands for its default.
        """
        for key in keys:
            if _plain(key) in self._found:
                value, where = self._found[_plain(key)]
                while (expanded := _DEFAULT.sub(r"\1", value)) != value:
                    value = expanded
                return value.strip("\"'"), where
        return "", ""

    def port(self, *keys: str) -> tuple[int, str]:
        """Return the port that the first of *keys* sets, and where; 0 if none does."""
        value, where = self.get(*keys)
        return (int(value), where) if value.isdigit() else (0, "")


def _plain(key: str) -> str:
    return key.replace("-", "").lower()


def _of_properties(text: str) -> list[tuple[int, str, str]]:
    found = []
    for number, line in enumerate(text.split("#---", 1)[0].splitlines(), 1):
        if line.strip() and line.strip()[0] not in "#!" and (match := _PROPERTY.match(line)):
            found.append((number, match[1], match[2]))
    return found


def _of_yaml(text: str) -> list[tuple[int, str, str]]:
    """Return the scalars of the first document as dotted keys; lists are passed over."""
    found: list[tuple[int, str, str]] = []
    above: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("---") and found:
            break
        match = _YAML.match(line)
        if match is None or line.lstrip()[:1] in "#-":
            continue
        depth, key = len(match[1]), match[2].strip("\"'")
        while above and above[-1][0] >= depth:
            above.pop()
        value = re.sub(r"\s+#.*$", "", match[3])
        if value and value[0] not in "#|>&":
            found.append((number, ".".join([*(name for _, name in above), key]), value))
        else:
            above.append((depth, key))
    return found


def _of_hocon(text: str) -> list[tuple[int, str, str]]:
    """Return what Ktor's application.conf sets in blocks, as dotted keys."""
    found, above = [], []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if match := re.match(r"([\w.\-]+)\s*[=:]?\s*\{$", stripped):
            above.append(match[1])
        elif stripped.startswith("}"):
            above = above[:-1]
        elif match := re.match(r"([\w.\-]+)\s*[=:]\s*([^${\[]+)$", stripped):
            found.append((number, ".".join([*above, match[1]]), match[2].strip()))
    return found

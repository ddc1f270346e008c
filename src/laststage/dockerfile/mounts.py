"""``RUN --mount``: as written, and resolved once its variables are known.

A target is relative to the working directory; an empty one is the working directory itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from laststage.dockerfile.errors import WordError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_NAMES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_NAMES |= {"rw": "readwrite"}
_OPTIONS = (
    "type", "from", "source", "target", "readonly", "readwrite", "id", "sharing", "required",
    "size", "mode", "uid", "gid", "env",
)  # fmt: skip
_FLAGS = frozenset(("readonly", "readwrite", "required"))
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:([kmgtp])?i?b?)", re.IGNORECASE)


class BindMount(Struct, frozen=True, kw_only=True, tag="bind"):
    """Files of the context, or of *from_*; what is written is thrown away."""

    target: str
    from_: str = ""
    source: str = ""
    read_only: bool = True


class CacheMount(Struct, frozen=True, kw_only=True, tag="cache"):
    """A folder that lives on between builds; *id* may be empty, the target then names it."""

    target: str
    id: str = ""
    from_: str = ""
    source: str = ""
    read_only: bool = False
    sharing: str = "shared"
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class TmpfsMount(Struct, frozen=True, kw_only=True, tag="tmpfs"):
    """An empty file system in memory; *size* in bytes, 0 without a limit."""

    target: str
    size: int = 0
    read_only: bool = False


class SecretMount(Struct, frozen=True, kw_only=True, tag="secret"):
    """A secret as a file at *target*, as the variable *env*, or both; empty for neither."""

    id: str
    target: str = ""
    env: str = ""
    required: bool = False
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


class SshMount(Struct, frozen=True, kw_only=True, tag="ssh"):
    """An agent's socket; *target* is empty for the default place."""

    id: str = "default"
    target: str = ""
    required: bool = False
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


ResolvedMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount


class Mount(Struct, frozen=True):
    """A mount as written: options by their long names, None for one without a value."""

    text: str
    options: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> Mount:
        """Read the value of ``--mount``. Raise WordError for what no variable can mend."""
        options = tuple(_option(field) for field in _fields(text))
        mount = cls(text, options)
        if "$" in mount.from_.rstrip("$"):
            raise WordError(
                "from= takes no variables", hint="name a stage: FROM $image AS name, then from=name"
            )
        if not any("$" in (value or "") for _, value in options):
            mount.resolve(lambda word: word)
        return mount

    @property
    def from_(self) -> str:
        """The stage or image that the files come from, or nothing."""
        return next((value for key, value in self.options[::-1] if key == "from" and value), "")

    @property
    def type(self) -> str:
        """The type as far as it is known: it may hold variables."""
        found = (value for key, value in self.options[::-1] if key == "type" and value)
        return next(found, "bind").lower()

    def resolve(self, expand: Callable[[str], str]) -> ResolvedMount:
        """Return what is meant, with *expand* applied to each value."""
        return _Resolver(self.options, expand).mount()


def _fields(text: str) -> list[str]:
    """Split a line of comma-separated values; a field may be quoted."""
    fields: list[str] = []
    position = 0
    while position <= len(text):
        if text.startswith('"', position):
            field, position = _quoted(text, position)
        else:
            end = text.find(",", position)
            end = end if end >= 0 else len(text)
            field, position = text[position:end], end + 1
        fields.append(field)
    return fields


def _quoted(text: str, start: int) -> tuple[str, int]:
    end = start + 1
    while (end := text.find('"', end)) >= 0 and text.startswith('""', end):
        end += 2
    if end < 0 or not (end + 1 == len(text) or text[end + 1] == ","):
        raise WordError(f"a quote in --mount={text} is not closed")
    return text[start + 1 : end].replace('""', '"'), end + 2


def _option(field: str) -> tuple[str, str | None]:
    key, equals, value = field.partition("=")
    key = key.lower()
    name = _NAMES.get(key, key)
    if name not in _OPTIONS:
        hint = did_you_mean(key, (*_OPTIONS, *_NAMES)) or f"options: {', '.join(_OPTIONS)}"
        raise WordError(f"unknown mount option: {field or '(empty)'}", hint=hint)
    if not equals and name not in _FLAGS:
        raise WordError(f"the mount option {key} needs a value", hint=f"write {key}=...")
    return name, value if equals else None


class _Resolver:
    """Reads expanded options, complains about those that the type does not have."""

    def __init__(
        self, options: tuple[tuple[str, str | None], ...], expand: Callable[[str], str]
    ) -> None:
        self._values: dict[str, str] = {}
        self._read_only: bool | None = None
        for name, word in options:
            value = "true" if word is None else word if name == "from" else expand(word)
            if name in ("readonly", "readwrite"):
                self._read_only = self._bool(name, value) == (name == "readonly")
            else:
                self._values[name] = value
        self._type = self._values.pop("type", "bind").lower()

    def mount(self) -> ResolvedMount:
        match self._type:
            case "bind":
                return self._bind()
            case "cache":
                return self._cache()
            case "tmpfs":
                return self._tmpfs()
            case "secret":
                return self._secret()
            case "ssh":
                return self._ssh()
            case unknown:
                hint = did_you_mean(unknown, TYPES) or f"types: {', '.join(TYPES)}"
                raise WordError(f"unknown mount type: {unknown or '(empty)'}", hint=hint)

    def _bind(self) -> BindMount:
        self._refuse("sharing", "required", "size", "mode", "uid", "gid")
        return BindMount(
            target=self._text("target"),
            from_=self._text("from"),
            source=self._text("source"),
            read_only=self._read_only is not False,
        )

    def _cache(self) -> CacheMount:
        self._refuse("required", "size")
        sharing = self._text("sharing").lower() or "shared"
        if sharing not in _SHARING:
            hint = did_you_mean(sharing, _SHARING) or f"values: {', '.join(_SHARING)}"
            raise WordError(f"unknown value sharing={sharing}", hint=hint)
        return CacheMount(
            target=self._text("target"),
            id=self._text("id"),
            from_=self._text("from"),
            source=self._text("source"),
            read_only=self._read_only is True,
            sharing=sharing,
            mode=self._number("mode", 8),
            uid=self._number("uid"),
            gid=self._number("gid"),
        )

    def _tmpfs(self) -> TmpfsMount:
        self._refuse("sharing", "required", "mode", "uid", "gid")
        size = self._size(self._values["size"]) if "size" in self._values else 0
        return TmpfsMount(target=self._text("target"), size=size, read_only=self._read_only is True)

    def _secret(self) -> SecretMount:
        self._refuse("from", "sharing", "size")
        source, target, env = self._text("source"), self._text("target"), self._text("env")
        if source and self._text("id"):
            raise WordError("a secret mount has both id and source", hint="they mean the same")
        name = source or self._text("id") or target.rstrip("/").rpartition("/")[2]
        if not name:
            raise WordError("a secret mount needs an id", hint="write type=secret,id=NAME")
        if not target and "env" not in self._values:
            target = "/run/secrets/" + name.rstrip("/").rpartition("/")[2]
        if "env" in self._values:
            env = env or name
        mode = self._number("mode", 8)
        return SecretMount(
            id=name,
            target=target,
            env=env,
            required=self._required(),
            mode=0o400 if mode is None else mode,
            uid=self._number("uid") or 0,
            gid=self._number("gid") or 0,
        )

    def _ssh(self) -> SshMount:
        self._refuse("sharing", "size")
        mode = self._number("mode", 8)
        return SshMount(
            id=self._text("id") or "default",
            target=self._text("target"),
            required=self._required(),
            mode=0o600 if mode is None else mode,
            uid=self._number("uid") or 0,
            gid=self._number("gid") or 0,
        )

    def _text(self, name: str) -> str:
        return self._values.get(name, "")

    def _required(self) -> bool:
        return self._bool("required", self._values.get("required", "false"))

    def _refuse(self, *names: str) -> None:
        for name in names:
            if name in self._values:
                raise WordError(f"a {self._type} mount has no option {name}")

    def _number(self, name: str, base: int = 10) -> int | None:
        if name not in self._values:
            return None
        text = self._values[name]
        if not text.isascii() or not text.isdigit() or (base == 8 and set(text) & {"8", "9"}):
            self._wrong(name, text, "not a number" if base == 10 else "not octal, as in 0755")
        number = int(text, base) if len(text) < 20 else 1 << 32
        if number >= 1 << 32:
            self._wrong(name, text, "too large")
        return number

    def _size(self, text: str) -> int:
        match = _SIZE.fullmatch(text)
        if not match or len(text) > 20:
            self._wrong("size", text, "not a size, as in 64m")
        power = " kmgtp".index((match[2] or " ").lower())
        return int(float(match[1]) * 1024**power)

    def _bool(self, name: str, text: str) -> bool:
        if text not in _TRUE | _FALSE:
            self._wrong(name, text, "neither true nor false")
        return text in _TRUE

    def _wrong(self, name: str, text: str, problem: str) -> NoReturn:
        raise WordError(f"{name}={text} is {problem}")

"""Start commands: a line that was written for a shell, as words that need none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from laststage.detect.errors import StartError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_BRACES = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^{}$`]*))?\}")
_KEYWORDS = frozenset(
    ("if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}",
     "!", "eval", "source", ".", "trap", "function", "[", "[[", "test")
)  # fmt: skip
_SPOKEN = re.compile(r"(?:echo|printf)\b(?:'[^']*'|\"[^\"]*\"|[^;&|\n'\"])*")
HINT = 'say how it starts: start = "PROGRAM ARGUMENT ..." under [app] in laststage.toml, or --start'


class Command(Struct, frozen=True, kw_only=True):
    """One simple command: *words*, in *folder* (as ``cd`` says, empty for the app's own), *env*.

    *text* is the command as it was written.
    """

    words: tuple[str, ...]
    env: dict[str, str] = {}
    folder: str = ""
    text: str = ""


def read_commands(
    line: str, variables: Mapping[str, str], *, where: str = "", hint: str = HINT
) -> tuple[Command, ...]:
    """Return the commands of *line*, in their order; they are to run one after the other.

    ``$NAME``, ``${NAME}`` and ``${NAME:-default}`` become what *variables* and assignments before
    them say, else the default. ``exec``, ``cd`` and assignments are taken out and kept as what
    they mean. Raise StartError for what only a shell can do.
    """
    found = []
    env: dict[str, str] = {}
    folder = ""
    for words, text in _Lexer(line, variables, where, hint).commands():
        own, rest = dict(env), list(words)
        while rest and rest[0] in ("exec", "env", "command", "cross-env", "cross-env-shell"):
            rest.pop(0)
            _assignments(rest, own)
        _assignments(rest, own)
        match rest:
            case []:
                env = own
            case ["export", *assigned]:
                _assignments(assigned, env)
            case ["set", *_] | ["echo", *_] | ["true"] | [":"]:
                pass
            case ["cd", target]:
                folder = _join(folder, target)
            case _:
                found.append(Command(words=tuple(rest), env=own, folder=folder, text=text))
    return tuple(found)


def read_command(
    line: str | tuple[str, ...], variables: Mapping[str, str], *, where: str = "", hint: str = HINT
) -> Command:
    """Return the one command of *line* (words are taken as they are). Raise StartError."""
    if not isinstance(line, str):
        return Command(words=line, text=" ".join(line))
    commands = read_commands(line, variables, where=where, hint=hint)
    if len(commands) != 1:
        raise StartError(
            f"it starts {len(commands) or 'no'} commands: {line}", where=where, hint=hint
        )
    return commands[0]


def uses_variable(line: str, name: str) -> str | None:
    """Return the default that *line* has for ``$name``, "" if none, None if it is not used."""
    match = re.search(rf"\$(?:{name}\b|\{{{name}(?::?-([^}}]*))?\}})", line)
    return None if match is None else match[1] or ""


def _assignments(words: list[str], env: dict[str, str]) -> None:
    while words and (match := _ASSIGNMENT.fullmatch(words[0])):
        env[match[1]] = match[2]
        words.pop(0)


def _join(folder: str, target: str) -> str:
    import posixpath

    joined = posixpath.normpath(posixpath.join(folder, target))
    return "" if joined == "." else joined


class _Lexer:
    """The words of a line as a POSIX shell tells them apart, for simple commands only."""

    def __init__(self, line: str, variables: Mapping[str, str], where: str, hint: str) -> None:
        self._line = line.strip()
        self._variables = dict(variables)
        self._where = where
        self._hint = hint
        self._at = 0

    def commands(self) -> Iterator[tuple[list[str], str]]:
        """Yield the words and the text of each command."""
        words: list[str] = []
        start = 0
        for word, is_operator, position in self._tokens():
            if not is_operator:
                if not words and word in _KEYWORDS:
                    raise self._refused(f"{word!r}")
                words.append(word)
                if match := _ASSIGNMENT.fullmatch(word):
                    self._variables.setdefault(match[1], match[2])
                continue
            if words:
                yield words, self._line[start:position].strip()
            words, start = [], self._at
        if words:
            yield words, self._line[start:].strip()

    def _tokens(self) -> Iterator[tuple[str, bool, int]]:
        """Yield each word, or operator between commands, and where it starts."""
        line, starts = self._line, True
        while self._at < len(line):
            here, char = self._at, line[self._at]
            if char in " \t":
                self._at += 1
            elif line.startswith("&&", here) or char in ";\n":
                self._at += 2 if char == "&" else 1
                yield "&&", True, here
            elif char == "#":
                self._at = line.find("\n", here) if "\n" in line[here:] else len(line)
            elif line.startswith("\\\n", here):
                self._at += 2
            elif match := _SPOKEN.match(line, here) if starts else None:
                self._at = match.end()  # what it says, nobody needs; a shell may take part in it
                continue
            else:
                yield self._word(), False, here
                starts = False
                continue
            starts = starts or line[here] not in " \t"

    def _word(self) -> str:
        line, found = self._line, []
        while self._at < len(line):
            char = line[self._at]
            if char in " \t\n;" or line.startswith("&&", self._at):
                break
            if char == "'":
                end = self._end("'")
                found.append(line[self._at + 1 : end])
                self._at = end + 1
            elif char == '"':
                found.append(self._quoted())
            elif char == "\\":
                found.append(line[self._at + 1 : self._at + 2].strip("\n"))
                self._at += 2
            elif char == "$":
                found.append(self._variable())
            elif self._is_redirection():
                raise self._refused(f"a redirection ({char})")
            elif char in "|&()`":
                raise self._refused({"|": "a pipe", "&": "a job in the background"}.get(char, char))
            elif char in "*?" and not found:
                raise self._refused(f"a pattern of file names ({char})")
            else:
                found.append(char)
                self._at += 1
        return "".join(found)

    def _is_redirection(self) -> bool:
        return self._line[self._at] in "<>"

    def _quoted(self) -> str:
        line, found = self._line, []
        self._at += 1
        while self._at < len(line) and line[self._at] != '"':
            char = line[self._at]
            if char == "$":
                found.append(self._variable())
            elif char == "`":
                raise self._refused("a command in a command (`)")
            elif char == "\\" and line[self._at + 1 : self._at + 2] in ('"', "\\", "$", "`"):
                found.append(line[self._at + 1])
                self._at += 2
            else:
                found.append(char)
                self._at += 1
        if self._at >= len(line):
            raise self._refused("a quote without its end")
        self._at += 1
        return "".join(found)

    def _variable(self) -> str:
        line = self._line
        rest = line[self._at + 1 :]
        if match := _BRACES.match(rest):
            name, default = match[1], match[2]
        elif match := _NAME.match(rest):
            name, default = match[0], None
        elif rest[:1] in ("", " ", '"', "/"):
            self._at += 1
            return "$"
        else:
            raise self._refused(f"${rest[:1]}")
        self._at += 1 + match.end()
        value = self._variables.get(name, default)
        if value is None:
            raise self._refused(f"${name}")
        return value

    def _end(self, quote: str) -> int:
        end = self._line.find(quote, self._at + 1)
        if end < 0:
            raise self._refused("a quote without its end")
        return end

    def _refused(self, what: str) -> StartError:
        return StartError(
            f"the start command needs a shell for {what}: {self._line}",
            where=self._where,
            hint=self._hint,
        )

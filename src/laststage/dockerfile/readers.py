"""One function an instruction: from a logical line to its value.

A reader raises what is wrong with the words; the parser knows the place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laststage.dockerfile import instructions as d
from laststage.dockerfile.durations import nanoseconds
from laststage.dockerfile.errors import WordError, did_you_mean
from laststage.dockerfile.expand import expand
from laststage.dockerfile.flags import Flags
from laststage.dockerfile.heredocs import Heredoc, heredoc_word
from laststage.dockerfile.lines import Line, split_instruction
from laststage.dockerfile.mounts import Mount
from laststage.dockerfile.words import (
    SPACE,
    NotStringsError,
    json_strings,
    split_gaps,
    split_once,
    split_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")
_SHORTEST = 10**6  # nanoseconds: Docker refuses a shorter health check


def read_instruction(line: Line, escape: str) -> d.Instruction:
    """Return what *line* means. Raise WordError for what it cannot mean."""
    keyword = line.keyword.upper()
    reader = _READERS.get(keyword)
    if reader is None:
        hint = did_you_mean(keyword, _READERS) or f"instructions: {', '.join(sorted(_READERS))}"
        raise WordError(f"unknown instruction: {line.keyword}", hint=hint)
    try:
        return reader(_Given(line, Flags(keyword, line.flags), escape))
    except NotStringsError:
        raise WordError(
            f"{keyword}: a JSON array may hold strings only", hint='quote each word: ["a", "1"]'
        ) from None


class _Given:
    """What a reader starts from."""

    def __init__(self, line: Line, flags: Flags, escape: str) -> None:
        self.text = line.text
        self.span = line.span
        self.comments = line.comments
        self.keyword = line.keyword.upper()
        self.rest = line.rest
        self.heredocs = line.heredocs
        self.flags = flags
        self.escape = escape


def _from(given: _Given) -> d.From:
    words = split_gaps(given.rest)
    if not (len(words) == 1 or (len(words) == 3 and words[1].lower() == "as")):
        raise WordError("FROM has the wrong words", hint="write FROM image, or FROM image AS name")
    name = words[2].lower() if len(words) == 3 else ""
    if name and not _STAGE_NAME.fullmatch(name):
        raise WordError(
            f"not a stage name: {words[2]}",
            hint="a name starts with a letter and has letters, digits, and _ . - after it",
        )
    return d.From(
        text=given.text,
        span=given.span,
        comments=given.comments,
        image=words[0],
        name=name,
        platform=given.flags.text("platform"),
    )


def _arg(given: _Given) -> d.Arg:
    args: list[d.ArgDefault] = []
    for word in split_words(given.rest, given.escape):
        name, equals, default = word.partition("=")
        if not name:
            raise WordError(f"ARG without a name: {word}", hint="write ARG name=value", near=word)
        args.append(d.ArgDefault(name, default if equals else None, _doc(given.comments, name)))
    if not args:
        raise WordError("ARG needs a name", hint="write ARG name, or ARG name=value")
    return d.Arg(text=given.text, span=given.span, comments=given.comments, args=tuple(args))


def _doc(comments: tuple[str, ...], name: str) -> str:
    """Return what the comment above says about *name*: the line begins with it."""
    texts = (
        comment.removeprefix(f"{name} ") for comment in comments if comment.startswith(f"{name} ")
    )
    return next(texts, "")


def _env(given: _Given) -> d.Env:
    pairs, legacy = _pairs(given)
    return d.Env(
        text=given.text, span=given.span, comments=given.comments, pairs=pairs, legacy=legacy
    )


def _label(given: _Given) -> d.Label:
    pairs, legacy = _pairs(given)
    return d.Label(
        text=given.text, span=given.span, comments=given.comments, pairs=pairs, legacy=legacy
    )


def _pairs(given: _Given) -> tuple[tuple[d.Pair, ...], bool]:
    """Read ``key=value`` words, or the old ``key value``; return whether it was the old form."""
    words = split_words(given.rest, given.escape)
    if not words:
        raise WordError(
            f"{given.keyword} needs a name and a value", hint=f"write {given.keyword} name=value"
        )
    if "=" not in words[0]:
        key, value = split_once(given.rest)
        if value is None:
            raise WordError(
                f"{given.keyword} {key} has no value",
                hint=f"write {given.keyword} {key}=value",
                near=key,
            )
        return (d.Pair(key, value),), True
    pairs: list[d.Pair] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            hint = f'write name=value, and quote values with blanks: {given.keyword} name="a b"'
            raise WordError(f"{given.keyword}: no = in {word}", hint=hint, near=word)
        if not key:
            raise WordError(f"{given.keyword} without a name: {word}", near=word)
        pairs.append(d.Pair(key, value))
    return tuple(pairs), False


def _one(given: _Given, what: str) -> str:
    """Return the whole rest, which must not be empty."""
    if not given.rest:
        raise WordError(
            f"{given.keyword} needs {what}",
            hint=f"write {given.keyword} {what.rsplit(maxsplit=1)[-1]}",
        )
    return given.rest


def _workdir(given: _Given) -> d.Workdir:
    path = _one(given, "a path")
    return d.Workdir(text=given.text, span=given.span, comments=given.comments, path=path)


def _user(given: _Given) -> d.User:
    user = _one(given, "a name")
    return d.User(text=given.text, span=given.span, comments=given.comments, user=user)


def _stopsignal(given: _Given) -> d.Stopsignal:
    signal = _one(given, "a signal")
    return d.Stopsignal(text=given.text, span=given.span, comments=given.comments, signal=signal)


def _maintainer(given: _Given) -> d.Maintainer:
    author = _one(given, "a name")
    return d.Maintainer(text=given.text, span=given.span, comments=given.comments, author=author)


def _expose(given: _Given) -> d.Expose:
    ports = tuple(split_gaps(_one(given, "a port")))
    return d.Expose(text=given.text, span=given.span, comments=given.comments, ports=ports)


def _volume(given: _Given) -> d.Volume:
    words = json_strings(given.rest)
    paths = tuple(split_gaps(given.rest)) if words is None else words
    paths = tuple(path.strip(SPACE) for path in paths)
    if not paths or not all(paths):
        raise WordError("VOLUME needs a path", hint='write VOLUME /path, or VOLUME ["/path"]')
    return d.Volume(text=given.text, span=given.span, comments=given.comments, paths=paths)


def _shell(given: _Given) -> d.Shell:
    args = json_strings(given.rest)
    if not args:
        raise WordError("SHELL needs a JSON array", hint='write SHELL ["/bin/sh", "-c"]')
    return d.Shell(text=given.text, span=given.span, comments=given.comments, args=args)


def _command(text: str) -> d.Command:
    args = json_strings(text)
    return d.ShellForm(text) if args is None else d.ExecForm(args)


def _cmd(given: _Given) -> d.Cmd:
    command = _command(_one(given, "a command"))
    return d.Cmd(text=given.text, span=given.span, comments=given.comments, command=command)


def _entrypoint(given: _Given) -> d.Entrypoint:
    # Without words it is the empty exec form, which takes the base image's entrypoint away.
    command = _command(given.rest or "[]")
    return d.Entrypoint(text=given.text, span=given.span, comments=given.comments, command=command)


def _run(given: _Given) -> d.Run:
    command = _command(_one(given, "a command"))
    if command == d.ExecForm(()):
        raise WordError("RUN [] runs nothing", hint="write a command")
    return d.Run(
        text=given.text,
        span=given.span,
        comments=given.comments,
        command=command,
        mounts=tuple(_mount(text) for text in given.flags.many("mount")),
        network=_known("network", given.flags.text("network", "default"), _NETWORKS),
        security=_known("security", given.flags.text("security", "sandbox"), _SECURITIES),
        heredocs=given.heredocs,
    )


def _mount(text: str) -> Mount:
    try:
        return Mount.parse(text)
    except WordError as error:
        raise WordError(error.message, hint=error.hint, near=f"--mount={text}") from None


def _known(flag: str, value: str, values: tuple[str, ...]) -> str:
    if value not in values:
        hint = did_you_mean(value, values) or f"values: {', '.join(values)}"
        raise WordError(f"unknown value --{flag}={value}", hint=hint, near=f"--{flag}")
    return value


def _copy(given: _Given) -> d.Copy:
    sources, heredocs, destination = _sources(given)
    return d.Copy(
        text=given.text,
        span=given.span,
        comments=given.comments,
        sources=sources,
        heredocs=heredocs,
        destination=destination,
        from_=_stage_or_image(given.flags.text("from")),
        chown=given.flags.text("chown"),
        chmod=given.flags.text("chmod"),
        link=given.flags.is_on("link"),
        parents=given.flags.is_on("parents"),
        exclude=given.flags.many("exclude"),
    )


def _stage_or_image(word: str) -> str:
    if word != expand(word, lambda _: None):
        hint = "name a stage: FROM $image AS name, then --from=name"
        raise WordError("--from takes no variables", hint=hint, near="--from")
    return word


def _add(given: _Given) -> d.Add:
    sources, heredocs, destination = _sources(given)
    return d.Add(
        text=given.text,
        span=given.span,
        comments=given.comments,
        sources=sources,
        heredocs=heredocs,
        destination=destination,
        chown=given.flags.text("chown"),
        chmod=given.flags.text("chmod"),
        link=given.flags.is_on("link"),
        exclude=given.flags.many("exclude"),
        checksum=given.flags.text("checksum"),
        keep_git_dir=given.flags.choice("keep-git-dir"),
        unpack=given.flags.choice("unpack"),
    )


def _sources(given: _Given) -> tuple[tuple[str, ...], tuple[Heredoc, ...], str]:
    """Return source words, heredocs that are sources, and the destination."""
    listed = json_strings(given.rest)
    words = tuple(split_gaps(given.rest)) if listed is None else listed
    if len(words) < 2:
        missing = "a destination" if words else "a source and a destination"
        hint = f"write {given.keyword} source destination"
        raise WordError(f"{given.keyword} needs {missing}", hint=hint)
    if heredoc_word(words[-1]):
        raise WordError(
            f"{given.keyword}: a heredoc cannot be the destination",
            hint=f"write {given.keyword} {words[-1]} /path",
            near=words[-1],
        )
    bodies = {heredoc.name: heredoc for heredoc in given.heredocs}
    sources: list[str] = []
    heredocs: list[Heredoc] = []
    for word in words[:-1]:
        announced = heredoc_word(word)
        if announced is None:
            sources.append(word)
        elif body := bodies.get(announced.name):
            heredocs.append(body)
        else:
            hint = "in a JSON array no word is a heredoc" if listed else ""
            raise WordError(
                f"{given.keyword}: the heredoc {word} has no body", hint=hint, near=word
            )
    if len(heredocs) < len(given.heredocs):
        hint = "write <<EOF in one piece, without blanks"
        raise WordError(f"{given.keyword}: a heredoc that is no source", hint=hint, near="<<")
    return tuple(sources), tuple(heredocs), words[-1]


def _healthcheck(given: _Given) -> d.Healthcheck:
    kind, rest = split_once(_one(given, "a command"))
    command: d.Command | None = None
    if kind.upper() == "NONE":
        if rest:
            raise WordError("HEALTHCHECK NONE takes nothing else", near=rest)
    elif kind.upper() != "CMD":
        raise WordError(
            f"HEALTHCHECK has no form {kind}", hint="write HEALTHCHECK CMD command", near=kind
        )
    else:
        command = _command(rest or "[]")
        if command == d.ExecForm(()):
            raise WordError("HEALTHCHECK CMD needs a command", hint="write HEALTHCHECK CMD command")
    return d.Healthcheck(
        text=given.text,
        span=given.span,
        comments=given.comments,
        command=command,
        interval=_duration(given.flags, "interval"),
        timeout=_duration(given.flags, "timeout"),
        start_period=_duration(given.flags, "start-period"),
        start_interval=_duration(given.flags, "start-interval"),
        retries=_retries(given.flags.text("retries")),
    )


def _duration(flags: Flags, name: str) -> int:
    text = flags.text(name)
    value = nanoseconds(text) if text else 0
    if value is None:
        raise WordError(
            f"--{name}={text} is no duration", hint="write 30s or 1m30s", near=f"--{name}"
        )
    if value and value < _SHORTEST:
        raise WordError(f"--{name}={text} is shorter than 1ms", near=f"--{name}")
    return value


def _retries(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise WordError(f"--retries={text} is no count", hint="write --retries=3", near="--retries")
    return int(text or "0")


def _onbuild(given: _Given) -> d.Onbuild:
    text = _ONBUILD.sub("", given.text, count=1)
    keyword, words, rest = split_instruction(text, given.escape)
    if not keyword:
        raise WordError("ONBUILD needs an instruction", hint="write ONBUILD RUN command")
    if keyword.upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise WordError(f"ONBUILD cannot hold {keyword.upper()}", near=keyword)
    inner = Line(
        keyword=keyword,
        flags=words,
        rest=rest,
        text=text,
        span=given.span,
        heredocs=given.heredocs,
    )
    trigger = read_instruction(inner, given.escape)
    if isinstance(trigger, d.From | d.Maintainer | d.Onbuild):
        raise AssertionError(f"{keyword} was refused above")
    return d.Onbuild(
        text=given.text,
        span=given.span,
        comments=given.comments,
        expression=d.with_heredocs(text, given.heredocs),
        trigger=trigger,
    )


_READERS: Mapping[str, Callable[[_Given], d.Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}

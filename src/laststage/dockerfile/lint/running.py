"""The rules on instructions in their order: variables, paths, commands, ports."""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.expand import expand
from laststage.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Label,
    Run,
    ShellForm,
    StageInstruction,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from laststage.dockerfile.lint.plausible import may_be_inherited, nearest
from laststage.dockerfile.lint.problems import Problem, keyword_of, variable, word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laststage.dockerfile.lint.walking import Step

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|passwd|password|pword|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:", re.IGNORECASE)
_PROTOCOLS = ("tcp", "udp", "sctp")
_BUILDKIT = frozenset(("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"))


def undefined_var(step: Step) -> Iterator[Problem]:
    """Report variables that nothing above has set or declared."""
    scope = step.point.scope
    found: dict[str, None] = {}
    if isinstance(step.line, Arg):
        found = _undefined_in_arg(step, step.line)
    else:
        for text in _words(step.line):
            found |= _undefined(step, text)
        if isinstance(step.line, Copy | Add):
            for heredoc in step.line.heredocs:
                if heredoc.expand:
                    found |= _undefined(step, heredoc.body, escape="\\", quotes=False)
    known = {*scope.environment, *scope.declared}
    for name in found:
        if name in known or name in _BUILDKIT:
            continue
        if not step.point.knows_base and may_be_inherited(name, known=known, elsewhere=step.names):
            continue
        message = f"${name} is not defined"
        if name in step.names:
            message += "; it is set elsewhere in this file, not above in this stage"
        elif meant := nearest(name, sorted(known)):
            message += f"; did you mean ${meant}?"
        yield Problem(step.line, message, variable(name))


def _undefined(
    step: Step,
    text: str,
    *,
    escape: str = "",
    quotes: bool = True,
    own: frozenset[str] = frozenset(),
) -> dict[str, None]:
    """Return the variables in *text* that are neither set nor among *own*."""
    found: dict[str, None] = {}
    scope = step.point.scope

    def lookup(name: str) -> str | None:
        value = scope.lookup(name)
        if value is None and name not in own:
            found[name] = None
        return value

    with suppress(WordError):  # the build says so
        expand(text, lookup, escape or step.about.file.escape, quotes=quotes)
    return found


def _undefined_in_arg(step: Step, line: Arg) -> dict[str, None]:
    """Look at the defaults that count; each may use the names before it."""
    found: dict[str, None] = {}
    own: frozenset[str] = frozenset()
    for arg in line.args:
        if arg.default is not None and arg.name not in step.about.outside.build_args:
            found |= _undefined(step, arg.default, own=own)
        own |= {arg.name}
    return found


def _words(line: StageInstruction) -> Iterator[str]:
    """Yield the words whose variables are replaced during a build."""
    match line:
        case Env(pairs=pairs) | Label(pairs=pairs):
            for pair in pairs:
                yield pair.key
                yield pair.value
        case Copy() | Add():
            yield from (line.chown, line.chmod, *line.sources, line.destination)
            if isinstance(line, Add):
                yield line.checksum
        case Run(mounts=mounts):
            for mount in mounts:
                yield from (value for key, value in mount.options if value and key != "from")
        case Workdir(path=text) | User(user=text) | Stopsignal(signal=text):
            yield text
        case Volume(paths=paths):
            yield from paths
        case _:
            return


def workdir_relative_path(step: Step) -> Iterator[Problem]:
    """Report a relative WORKDIR before which no other stands."""
    if isinstance(step.line, Workdir) and not step.point.has_workdir:
        path = _expanded(step, step.line.path)
        if path is not None and not path.startswith("/"):
            shown = path or "an empty path"
            yield Problem(step.line, f"{shown} is relative to whatever the base image has")


def multiple_instructions_disallowed(step: Step) -> Iterator[Problem]:
    """Report the earlier of two CMD, ENTRYPOINT or HEALTHCHECK."""
    earlier = step.point.earlier.get(type(step.line).__name__)
    if earlier is not None:
        keyword = keyword_of(step.line)
        message = f"a later {keyword}, on line {step.line.span.line}, takes the place of this one"
        yield Problem(earlier, message, because=step.line)


def json_args_recommended(step: Step) -> Iterator[Problem]:
    """Report the shell form, unless the stage says which shell it means."""
    match step.line:
        case Cmd(command=ShellForm()) | Entrypoint(command=ShellForm()):
            if not step.point.has_shell:
                keyword = keyword_of(step.line)
                yield Problem(step.line, f"{keyword} in shell form gets no signals")
        case _:
            return


def legacy_key_value_format(step: Step) -> Iterator[Problem]:
    """Report ENV and LABEL without an equals sign."""
    if isinstance(step.line, Env | Label) and step.line.legacy:
        keyword, key = keyword_of(step.line), step.line.pairs[0].key
        yield Problem(step.line, f"{keyword} without =; write {keyword} {key}=...")


def secrets_used_in_arg_or_env(step: Step) -> Iterator[Problem]:
    """Report names that secrets have."""
    match step.line:
        case Arg(args=args):
            names = [arg.name for arg in args]
        case Env(pairs=pairs):
            names = [_expanded(step, pair.key) or pair.key for pair in pairs]
        case _:
            return
    for name in names:
        if _SECRET.search(name) and not _HARMLESS.search(name):
            message = f"{keyword_of(step.line)} {name} looks like a secret, and stays in the image"
            yield Problem(step.line, message, word(name))


def copy_ignored_file(step: Step) -> Iterator[Problem]:
    """Report sources in the context that the ignore file excludes."""
    line, ignore = step.line, step.about.ignore
    if not isinstance(line, Copy | Add) or not ignore or ignore.has_exceptions:
        return
    if isinstance(line, Copy) and line.from_:
        return
    for source in line.sources:
        text = _expanded(step, source)
        if text is None or _REMOTE.match(text):
            continue
        path = posixpath.normpath(f"/{text}").strip("/")
        if ignore.ignores(path) if path else ignore.ignores_everything:
            message = f"the ignore file excludes {path or 'the whole context'}"
            yield Problem(line, message, word(source))


def expose_proto_casing(step: Step) -> Iterator[Problem]:
    """Report protocols with capitals."""
    for text, _, protocol in _ports(step):
        if protocol != protocol.lower():
            yield Problem(step.line, f"{text}: the protocol has capital letters", word(text))


def expose_invalid_format(step: Step) -> Iterator[Problem]:
    """Report addresses and ports of the host."""
    for text, is_mapped, _ in _ports(step):
        if is_mapped:
            message = f"{text} has more than the container's port"
            yield Problem(step.line, message, word(text))


def _ports(step: Step) -> Iterator[tuple[str, bool, str]]:
    """Yield each port, whether it has something before it, and its protocol."""
    if not isinstance(step.line, Expose):
        return
    for written in step.line.ports:
        texts: list[str] = []
        with suppress(WordError):
            texts = step.point.scope.expand_words(written)
        for text in texts if _is_known(step, written) else ():
            *mapped, port = text.split(":")
            number, _, protocol = port.partition("/")
            if number and protocol.lower() in ("", *_PROTOCOLS):
                yield text, any(mapped), protocol


def _expanded(step: Step, text: str) -> str | None:
    """Return what *text* stands for, None if that is an error or depends on an unknown base."""
    try:
        return step.point.scope.expand(text) if _is_known(step, text) else None
    except WordError:
        return None


def _is_known(step: Step, text: str) -> bool:
    known = step.point.scope.declared
    return step.point.knows_base or all(name in known for name in _undefined(step, text))


RUNNING: dict[str, Callable[[Step], Iterator[Problem]]] = {
    "UndefinedVar": undefined_var,
    "WorkdirRelativePath": workdir_relative_path,
    "MultipleInstructionsDisallowed": multiple_instructions_disallowed,
    "JSONArgsRecommended": json_args_recommended,
    "LegacyKeyValueFormat": legacy_key_value_format,
    "SecretsUsedInArgOrEnv": secrets_used_in_arg_or_env,
    "CopyIgnoredFile": copy_ignored_file,
    "ExposeProtoCasing": expose_proto_casing,
    "ExposeInvalidFormat": expose_invalid_format,
}

"""Programs that stand between a start script and node: each as the words that node gets without it."""

from __future__ import annotations

import re

from laststage.detect.commands import HINT
from laststage.detect.errors import AmbiguousAppError, UnsupportedAppError
from laststage.detect.profile import Decision
from laststage.errors import PlanError

NODES = frozenset(
    ("node", "nodejs", "/nodejs/bin/node", "/usr/local/bin/node", "/usr/bin/node")
)  # fmt: skip
TYPESCRIPT = frozenset(
    ("tsx", "ts-node", "ts-node-dev", "tsnd", "ts-node-esm", "ts-node-script",
     "ts-node-transpile-only")
)  # fmt: skip
# They start a program again when it ends, or when a file changes.
RESTARTERS = frozenset(
    ("nodemon", "node-dev", "supervisor", "forever", "pm2-runtime", "pm2", "node-supervisor")
)
_NPX = frozenset(("npx", "bunx", "pnpx"))
_NPX_FLAGS = frozenset(("-y", "--yes", "--no-install", "--no", "--", "-q", "--quiet"))
_ENV_FILES = frozenset(("dotenv", "env-cmd", "dotenvx", "infisical", "doppler"))
_INITS = frozenset(("tini", "dumb-init"))
_SEVERAL = frozenset(
    ("concurrently", "npm-run-all", "run-p", "run-s", "foreman", "nf", "lerna", "wsrun")
)
# flags of the programs above that take a value, and are not for node
_WITH_VALUE = frozenset(
    ("-w", "--watch", "-e", "--ext", "-i", "--ignore", "--delay", "--signal", "-d", "--project",
     "-P", "--tsconfig", "-O", "--compiler-options", "--name", "--config", "--env-file", "-f")
)  # fmt: skip
_NODE_WITH_VALUE = frozenset(
    ("-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions")
)


def unwrapped(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Decision, ...]]:
    """Return *words* without programs that only start another one, and why they are not needed."""
    decisions: list[Decision] = []
    while words:
        name = words[0]
        if name in _NPX:
            words = tuple(word for word in words[1:] if word not in _NPX_FLAGS)
        elif name in _ENV_FILES and "--" in words:
            words = words[words.index("--") + 1 :]
            reason = "what is in files like .env is given to the container as it starts"
            decisions.append(Decision(f"without {name}", reason))
        elif name in _INITS:
            rest = [word for word in words[1:] if word != "--"]
            while rest and rest[0].startswith("-"):
                rest.pop(0)
            words = tuple(rest)
            decisions.append(Decision(f"without {name}", "docker run --init gives the same"))
        else:
            break
    return words, tuple(decisions)


def refusal(name: str, text: str, where: str) -> PlanError | None:
    """Return the error for a program *name* that is no start of one process in Node."""
    if name in _SEVERAL:
        return AmbiguousAppError(
            f"{text!r} starts several processes, and an image runs one", where=where, hint=HINT
        )
    if name in ("turbo", "nx"):
        return AmbiguousAppError(
            f"{text!r} starts members of a workspace",
            where=where,
            hint='name the one to run: package = "apps/NAME" under [app] in laststage.toml, or '
            "--package",
        )
    if name in ("deno", "bun"):
        return UnsupportedAppError(
            f"it starts with {name} ({text}), and laststage runs JavaScript with Node",
            where=where,
            hint='if Node can run it: start = "node FILE" under [app] in laststage.toml, or --start',
        )
    return None


def node_words(words: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[Decision, ...]]:
    """Return what node gets of *words*, the package that compiles TypeScript in it, and why."""
    kept: list[str] = []
    decisions: list[Decision] = []
    tool, skip = "", False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith(("--inspect", "--watch", "--env-file")):
            skip = word in ("--env-file", "--env-file-if-exists", "--watch-path")
            is_env = "env" in word
            reason = "files like .env stay out of images" if is_env else "it is for development"
            decisions.append(Decision(f"without {word}", reason))
        else:
            loader = position and words[position - 1] in _NODE_WITH_VALUE
            if loader and word.split("/")[0] in ("tsx", "ts-node"):
                tool = word.split("/")[0]
                if word == "tsx":
                    kept[-1] = "--import"  # what it was called before Node 20.6
            kept.append(word)
    return tuple(kept), tool, tuple(decisions)


def typescript_words(name: str, words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return what node gets in place of the TypeScript runner *name*, and the package for it.

    The words are empty if there is no file among them.
    """
    rest = list(words)
    requires: list[str] = []
    if name == "tsx" and rest[:1] in (["watch"], ["node"]):
        rest.pop(0)
    for flag in ("-r", "--require", "--import"):
        while flag in rest:
            position = rest.index(flag)
            requires += rest[position : position + 2]
            del rest[position : position + 2]
    files = without_flags(rest)
    if not files:
        return (), ""
    if name == "tsx":
        return ("--import", "tsx", *requires, *files), "tsx"
    if name == "ts-node-esm" or "--esm" in rest:
        return ("--loader", "ts-node/esm", *requires, *files), "ts-node"
    fast = name not in ("ts-node", "ts-node-script") or {"--transpile-only", "-T"} & set(rest)
    register = "ts-node/register" + ("/transpile-only" if fast else "")
    return ("-r", register, *requires, *files), "ts-node"


def restarted_words(words: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the command that a program like nodemon starts (empty for node), and its words."""
    rest = list(words)
    for flag in ("--exec", "-x"):
        if flag in rest and rest.index(flag) + 1 < len(rest):
            position = rest.index(flag)
            return rest[position + 1], without_flags(rest[:position] + rest[position + 2 :])
    if rest[:1] == ["start"]:
        rest.pop(0)
    return "", without_flags(rest)


def without_flags(words: list[str]) -> list[str]:
    """Return *words* from the first that is no flag, nor a flag's value."""
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return words[position + 1 :]
        elif word.startswith("-"):
            skip = word in _WITH_VALUE
        else:
            return words[position:]
    return []


def file_position(words: tuple[str, ...]) -> int:
    """Return where in the words for node its file stands, -1 if nowhere."""
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word in _NODE_WITH_VALUE:
            skip = True
        elif word in ("-e", "-p", "--eval", "--print"):
            return -1
        elif not word.startswith("-"):
            return position
    return -1


def dependency_bin(word: str) -> str:
    """Return the name of the program if *word* is a path into node_modules/.bin, else ""."""
    match = re.fullmatch(r"(?:\./)?node_modules/\.bin/([\w.-]+)", word)
    return match[1] if match else ""

"""``npm start`` as words for node: which file runs, and what has to be built before."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping

from msgspec import Struct, structs

from laststage.detect.commands import HINT, Command, read_commands
from laststage.detect.errors import StartError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.node.programs import (
    NODES,
    RESTARTERS,
    TYPESCRIPT,
    dependency_bin,
    file_position,
    node_words,
    refusal,
    restarted_words,
    typescript_words,
    unwrapped,
)
from laststage.detect.profile import Decision

_MANAGERS = ("npm", "pnpm", "yarn", "bun")
_MANAGER_FLAGS = frozenset(("--silent", "-s", "--if-present", "--production", "--no-daemon"))
_SHELLS = frozenset(("bash", "sh", "/bin/sh", "/bin/bash", "/usr/bin/env"))
_MOST_STEPS = 12
# What builds, and so belongs into the build stage.
_BUILDS = re.compile(
    r"^(tsc|tspc|tsup|swc|esbuild|babel|webpack|rollup|rimraf|rm|mkdir|cp|cpx|copyfiles|cpy|shx|vite|"
    r"tsc-alias|prisma generate|remix (vite:)?build|react-router build|next build|nuxt build|"
    r"nest build|astro build|gulp|parcel|grunt|ncc|unbuild|turbo build|nx build|postcss|tailwindcss|"
    r"svelte-kit|sass|pkgroll|tsdown|microbundle|bunchee|npm (install|ci)|yarn install|yarn$|"
    r"pnpm install|npm i$|husky)"
)
_ONCE = re.compile(
    r"\b(prisma (migrate|db)|knex (migrate|seed)|sequelize(-cli)? db|typeorm(-ts-node-\w+)? \S*migration|"
    r"drizzle-kit (push|migrate)|migrate|db:|seed|typeorm schema|mikro-orm|node-pg-migrate)"
)
_BUILD_WORD = re.compile(r"\b(build|compile|bundle|generate)\b")
_WAITS = ("sleep", "wait-on", "wait-port", "dockerize", "chmod", "clear")


class Start(Struct, frozen=True, kw_only=True):
    """How an app starts.

    *words* are what node gets: options, a file (a path from *folder*), arguments. *bin* is the
    name of a program of a dependency that stands in place of the file, its arguments in *words*;
    *tool* a package that *words* load to run TypeScript. *builds* are shell commands that the
    start script would have run before, *env* what it sets.
    """

    words: tuple[str, ...] = ()
    bin: str = ""
    tool: str = ""
    folder: str = ""
    env: dict[str, str] = {}
    builds: tuple[str, ...] = ()
    text: str = ""
    where: str = ""
    decisions: tuple[Decision, ...] = ()

    @property
    def entry(self) -> str:
        """The file that node runs, as a path from the app's folder; "" if it is a bin."""
        position = -1 if self.bin else file_position(self.words)
        if position < 0:
            return ""
        return posixpath.normpath(posixpath.join(self.folder, self.words[position]))


class Resolver:
    """Follows a start command to the file that node runs."""

    def __init__(self, app: AppFolder, variables: Mapping[str, str]) -> None:
        self._app = app
        self._variables = dict(variables)
        self._depth = 0

    def line(self, line: str, package: JavaScriptPackage | None, where: str) -> Start:
        """Return how the command *line* starts the app. Raise StartError if it cannot be told."""
        self._depth += 1
        if self._depth > _MOST_STEPS:
            raise StartError(f"the start script calls itself: {line}", where=where, hint=HINT)
        commands = read_commands(line, self._variables, where=where)
        if not commands:
            raise StartError(f"it starts nothing: {line}", where=where, hint=HINT)
        before = _Before(package, where)
        for command in commands[:-1]:
            before.add(command)
        last = commands[-1]
        if _ONCE.search(" ".join(last.words[:4])) and last.words[0] not in NODES:
            text = f"{last.text!r} is done once, and is no process that stays"
            raise StartError(text, where=where, hint=HINT)
        found = self._in_folder(last, package, where)
        return structs.replace(
            found,
            env={**last.env, **found.env},
            builds=(*before.builds, *found.builds),
            decisions=(*before.decisions, *found.decisions),
        )

    def words(self, words: tuple[str, ...], package: JavaScriptPackage | None, where: str) -> Start:
        """Return how the command of *words* starts the app."""
        return self._command(Command(words=words, text=" ".join(words)), package, where)

    def _in_folder(self, command: Command, package: JavaScriptPackage | None, where: str) -> Start:
        """Return the start of *command* where ``cd`` leads."""
        if not command.folder:
            return self._command(command, package, where)
        own = package.folder if package else ""
        inside = posixpath.normpath(posixpath.join(own, command.folder))
        target = read_package(self._app, inside)
        if target is not None:
            return self._command(structs.replace(command, folder=""), target, where)
        return structs.replace(self._command(command, package, where), folder=inside)

    def _command(self, command: Command, package: JavaScriptPackage | None, where: str) -> Start:
        words, decisions = unwrapped(command.words)
        if not words:
            raise StartError(f"it starts nothing: {command.text}", where=where, hint=HINT)
        name = dependency_bin(words[0]) or words[0]
        command = structs.replace(command, words=(name, *words[1:]))
        folder = package.folder if package else ""
        if name in NODES:
            found = self._node(command.words[1:], package, command, where)
        elif name in _MANAGERS:
            found = self._manager(command, package, where)
        elif (error := refusal(name, command.text, where)) is not None:
            raise error
        elif name in RESTARTERS:
            found = self._restarted(command, package, where)
        elif name in TYPESCRIPT:
            found = self._typescript(command, package, where)
        elif name in _SHELLS or name.endswith(".sh"):
            found = self._shell(command, package, where)
        elif "/" in name and self._app.has(posixpath.normpath(posixpath.join(folder, name))):
            found = self._node(command.words, package, command, where)
        elif package is None:
            raise StartError(f"no program {name!r} in an image of Node", where=where, hint=HINT)
        else:
            found = Start(
                words=words[1:], bin=name, folder=folder, env=command.env, text=command.text,
                where=where,
            )  # fmt: skip
        return structs.replace(found, decisions=(*decisions, *found.decisions))

    def _node(
        self, words: tuple[str, ...], package: JavaScriptPackage | None, command: Command, where: str
    ) -> Start:  # fmt: skip
        kept, tool, decisions = node_words(words)
        position = file_position(kept)
        if position < 0:
            raise StartError(f"it starts no file: {command.text}", where=where, hint=HINT)
        if kept[position] in (".", "./") and package:
            kept = (*kept[:position], package.main or "index.js", *kept[position + 1 :])
        program = dependency_bin(kept[position])
        if program and not position:
            inner = structs.replace(command, words=(program, *kept[1:]))
            return self._command(inner, package, where)
        return Start(
            words=kept, tool=tool, folder=package.folder if package else "", env=command.env,
            text=command.text, where=where, decisions=decisions,
        )  # fmt: skip

    def _manager(self, command: Command, package: JavaScriptPackage | None, where: str) -> Start:
        """Return the start that a script of package.json says, or a program it runs."""
        manager = command.words[0]
        target, rest = self._member(list(command.words[1:]), package, where)
        if target is None:
            raise StartError(f"no package.json for {command.text!r}", where=where, hint=HINT)
        rest = [word for word in rest if word not in _MANAGER_FLAGS]
        match rest:
            case ["exec" | "dlx" | "x", *inner] if inner:
                words = tuple(inner[1:] if inner[0] == "--" else inner)
                return self._command(structs.replace(command, words=words), target, where)
            case ["run" | "run-script", script, *arguments] if script in target.scripts:
                pass
            case [script, *arguments] if script in target.scripts:
                pass
            case ["start", *arguments] if self._app.has(_inside(target, "server.js")):
                return self._node(("server.js", *arguments), target, command, where)
            case [name, *arguments] if manager == "yarn" and name != "run":
                words = (name, *arguments)
                return self._command(structs.replace(command, words=words), target, where)
            case _:
                error = refusal(manager, command.text, where)
                raise error or StartError(
                    f"package.json has no script for {command.text!r}", where=target.path, hint=HINT
                )
        if arguments[:1] == ["--"]:
            arguments = arguments[1:]
        line = " ".join([target.scripts[script], *map(shlex.quote, arguments)])
        at = self._app.where(target.path, rf'"{re.escape(script)}"\s*:')
        found = self.line(line, target, at)
        return structs.replace(
            found,
            env={**command.env, **found.env},
            builds=(*_before_script(target, script), *found.builds),
        )

    def _member(
        self, words: list[str], package: JavaScriptPackage | None, where: str
    ) -> tuple[JavaScriptPackage | None, list[str]]:
        """Return the package that a manager's flags name, and the other words."""
        kept, name, folder, skip = [], "", "", ""
        for position, word in enumerate(words):
            if skip:
                name, folder = (word, folder) if skip == "name" else (name, word)
                skip = ""
            elif word in ("-w", "--workspace", "--filter", "-F") or (
                word == "workspace" and not position
            ):
                skip = "name"
            elif word in ("--prefix", "-C", "--cwd", "--dir"):
                skip = "folder"
            elif match := re.fullmatch(r"--(workspace|filter)=(.+)", word):
                name = match[2]
            elif match := re.fullmatch(r"--(prefix|cwd|dir)=(.+)", word):
                folder = match[2]
            else:
                kept.append(word)
        if name:
            root = read_package(self._app)
            folder = (root.members if root else {}).get(name, name.removeprefix("./"))
        if not folder:
            return package, kept
        found = read_package(self._app, posixpath.normpath(folder))
        if found is None:
            raise StartError(f"no package {name or folder!r}", where=where, hint=HINT)
        return found, kept

    def _restarted(self, command: Command, package: JavaScriptPackage | None, where: str) -> Start:
        """Return the start without the program that starts it again when a file changes."""
        name = command.words[0]
        inner, files = restarted_words(command.words[1:])
        if inner:
            return self.line(" ".join([inner, *map(shlex.quote, files)]), package, where)
        main = files[0] if files else (package.main if package else "") or "index.js"
        if "ecosystem" in main or main.endswith((".json", ".yml", ".config.js", ".config.cjs")):
            main = self._listed(name, main, package, where)
            files = [main]
        runner = "ts-node" if main.endswith((".ts", ".mts")) else "node"
        words = (runner, main, *files[1:])
        found = self._command(structs.replace(command, words=words), package, where)
        decision = Decision(f"without {name}", "a container is started again from outside")
        return structs.replace(found, decisions=(decision, *found.decisions))

    def _listed(
        self, name: str, path: str, package: JavaScriptPackage | None, where: str
    ) -> str:  # fmt: skip
        """Return the one script that the list of processes at *path* has."""
        inside = posixpath.join(package.folder if package else "", path)
        text = self._app.text(inside) if self._app.has(inside) else ""
        scripts = re.findall(r"""["']?\bscript["']?\s*:\s*["']([^"'\s]+)["']""", text)
        if len(scripts) != 1:
            kind = "no script" if not scripts else f"{len(scripts)} scripts"
            raise StartError(f"{name} starts what {path} lists, {kind}", where=where, hint=HINT)
        return str(scripts[0])

    def _typescript(self, command: Command, package: JavaScriptPackage | None, where: str) -> Start:
        """Return the start of TypeScript that is compiled as it runs."""
        words, tool = typescript_words(command.words[0], command.words[1:])
        if not words:
            raise StartError(f"it starts no file: {command.text}", where=where, hint=HINT)
        return Start(
            words=words, tool=tool, folder=package.folder if package else "", env=command.env,
            text=command.text, where=where,
        )  # fmt: skip

    def _shell(self, command: Command, package: JavaScriptPackage | None, where: str) -> Start:
        """Return the start that a shell script comes down to, if that can be told."""
        words = command.words
        files = words if words[0].endswith(".sh") else words[1:]
        files = files[1:] if files[:1] in (("bash",), ("sh",)) else files
        if files[:1] == ("-c",) and len(files) > 1:
            return self.line(files[1], package, where)
        path = posixpath.normpath(files[0]) if files else ""
        if not path or not self._app.has(path):
            text = f"there is no shell in the image for {' '.join(words)!r}"
            raise StartError(text, where=where, hint=HINT)
        script = re.sub(r"\A#!.*", "", self._app.text(path)).replace('"$@"', "")
        found = self.line(script.strip(), package, path)
        reason = "it comes down to one command, and that needs no shell"
        return structs.replace(
            found, decisions=(Decision(f"without {path}", reason), *found.decisions)
        )


class _Before:
    """What a start command runs before the program that stays: builds, and things for once."""

    def __init__(self, package: JavaScriptPackage | None, where: str) -> None:
        self._package = package
        self._where = where
        self.builds: list[str] = []
        self.decisions: list[Decision] = []

    def add(self, command: Command) -> None:
        """Sort *command*. Raise StartError if it is neither."""
        text = " ".join(command.words)
        script = self._script(command.words)
        line = self._package.scripts[script] if script and self._package else ""
        is_build = _BUILDS.match(text) or (
            script and ("build" in script or "generate" in script or _BUILDS.match(line))
        )
        if _ONCE.search(f"{text} {line}"):
            reason = "an image starts one process: run it once, before a release"
            self.decisions.append(Decision(f"{text!r} is not run", reason))
        elif is_build:
            at = f"cd {command.folder} && " if command.folder else ""
            self.builds.append(at + command.text)
            reason = "the start script builds first"
            self.decisions.append(Decision(f"{text!r} in the build stage", reason))
        elif not text.startswith(_WAITS):
            raise StartError(
                f"it runs {text!r} before it starts, and laststage cannot tell what that does",
                where=self._where,
                hint=HINT,
            )

    def _script(self, words: tuple[str, ...]) -> str:
        """Return the name of the script of the package that *words* run, "" if they run none."""
        if self._package is None or words[0] not in _MANAGERS:
            return ""
        rest = [word for word in words[1:] if not word.startswith("-")]
        if rest and rest[0] in ("run", "run-script"):
            rest.pop(0)
        elif rest and words[0] == "npm" and rest[0] not in ("start", "test"):
            return ""
        return rest[0] if rest and rest[0] in self._package.scripts else ""


def _before_script(package: JavaScriptPackage, script: str) -> tuple[str, ...]:
    """Return the step for the script that a manager runs before *script*, if that builds."""
    before = f"pre{script}"
    line = package.scripts.get(before, "")
    if not line or _ONCE.search(line) or not (_BUILDS.match(line) or _BUILD_WORD.search(line)):
        return ()
    at = f"cd {package.folder} && " if package.folder else ""
    return (f"{at}{package.manager.command} run {before}",)


def _inside(package: JavaScriptPackage, name: str) -> str:
    return f"{package.folder}/{name}" if package.folder else name

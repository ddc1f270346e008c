"""What starts and loads in an image, played through as the dynamic linker would do it.

Played are: each program that the app brought, what programs of it load by name, and each library
that nothing of that led to, with all it needs. A library that another one led to is judged in that
one's company, for there it may find what it would not find alone.

What the image lacks and the build stage has is taken from there as if it was copied, and what that
needs is looked for in turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from laststage.analysis.elf import Elf, highest
from laststage.analysis.findings import Elsewhere, Outdated
from laststage.analysis.linker import Linker, Loaded
from laststage.analysis.machines import Machine
from laststage.analysis.tree import Followed, Tree

# Libraries of the machine's drivers, which a container runtime mounts into the container.
_FROM_HOST = re.compile(
    r"lib(?:cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[\w-]+|amdocl64)\.so(?:\.\d+)*"
)
# Modules of Python's own library and of Java's for terminals and screens, which come whether or not
# they can load: servers do without them.
_OPTIONAL = re.compile(
    r"/lib-dynload/(?:_tkinter|_dbm|_gdbm|_curses|_curses_panel|nis|readline)\.[^/]*$"
    r"|/lib/lib(?:awt_xawt|jawt|jsound|splashscreen)\.so$"
)


class Lack:
    """A library that the image lacks: who needs it, and where the build stage has it."""

    def __init__(self, soname: str, found: Followed | None, target: str, present: str) -> None:
        self.soname = soname
        self.found = found
        self.target = target
        self.present = present
        self.chain: tuple[str, ...] = ()
        self.needed_by: set[str] = set()
        self.is_optional = True

    def note(self, loader: Loaded) -> None:
        """Note that *loader* needs it. The chain that is kept is the first, but a strict one."""
        chain = loader.chain
        is_optional = any(map(_OPTIONAL.search, chain))
        if not self.chain or (self.is_optional and not is_optional):
            self.chain = chain
        self.is_optional &= is_optional
        self.needed_by.add(loader.path)


class Closure:
    """The examination of *final*, with *build* as where lacking libraries come from."""

    def __init__(
        self,
        final: Tree,
        build: Tree,
        machine: Machine,
        *,
        env: Mapping[str, str],
        build_env: Mapping[str, str],
    ) -> None:
        self._final = final
        self._build = build
        self._machine = machine
        self._linker = Linker(final, machine, env)
        self._build_linker = Linker(build, machine, build_env, would_be=True)
        self._program: Loaded | None = None
        self._preloaded: dict[str, Loaded | None] = {}
        self._by_name: dict[str, tuple[str, Elf]] = {}
        self._reached: set[str] = set()
        self._is_starting = False
        self.lacks: dict[str, Lack] = {}
        self.interpreters: dict[str, set[str]] = {}
        self.outdated: dict[tuple[str, str, str], Outdated] = {}
        self.elsewhere: dict[str, Elsewhere] = {}
        self.from_host: set[str] = set()

    def run(
        self,
        elves: Mapping[str, Elf],
        program: tuple[str, Elf] | None,
        loaded: Mapping[str, Sequence[str]],
    ) -> None:
        """Play what *elves* need, those of the app by path.

        *program* is what the image starts: libraries are loaded into its process. *loaded* are
        libraries that are loaded by name, each list under the name of who does that.
        """
        for path, elf in elves.items():
            for name in filter(None, (elf.soname, path.rpartition("/")[2])):
                self._by_name.setdefault(name, (path, elf))
        if program is not None and not program[1].is_static:
            self._program = Loaded(*program)
            self._preloaded = self._play(self._program)
        for path, elf in elves.items():
            if elf.kind == "program" and path not in self._reached:
                self._play(Loaded(path, elf))
        for name, sonames in loaded.items():
            self._play(Loaded(name, self._wanting(tuple(sonames)), self._program))
        named = {name for elf in elves.values() for name in elf.needed}
        libraries = [(path, elf) for path, elf in elves.items() if elf.kind == "library"]
        # those that nothing names first: they lead to the others, in the right company
        for path, elf in sorted(libraries, key=lambda item: _is_named(item[0], item[1], named)):
            if path not in self._reached:
                self._play(Loaded(path, elf, self._program))

    def _wanting(self, sonames: tuple[str, ...]) -> Elf:
        machine = self._machine
        return Elf(machine.bits, machine.order, machine.number, "library", needed=sonames)

    def _play(self, root: Loaded) -> dict[str, Loaded | None]:
        """Load *root* and all it needs; return what is then in the process, by each of its names."""
        names = dict(self._preloaded) if root.loader else {}
        # a program has nobody who could have loaded something before
        self._is_starting = root.elf.kind == "program"
        self._start(root, names)
        objects = [root]
        known = {root.real: root}
        for current in objects:  # grows: breadth first, as the linker goes
            self._reached.add(current.real)
            for name in current.elf.needed:
                child = names.get(name)
                if child is None:  # also if another object asked for it in vain
                    child = self._load(name, current)
                    if child is not None and child.real in known:
                        child = known[child.real]
                    elif child is not None:
                        known[child.real] = child
                        objects.append(child)
                    names[name] = child
                if child is not None and child.elf.soname:
                    names.setdefault(child.elf.soname, child)
        for current in objects:
            self._check_versions(current, names)
        return names

    def _start(self, root: Loaded, names: dict[str, Loaded | None]) -> None:
        """Put the linker itself into the process; note if the image lacks it."""
        path = root.elf.interpreter if root.elf.kind == "program" else ""
        wanted = path.lstrip("/") or self._machine.interpreter
        name = wanted.rpartition("/")[2]
        followed = self._final.follow(wanted)
        elf = self._final.elf(followed.real) if followed else None
        if followed is not None and elf is not None:
            names.setdefault(name, Loaded(wanted, elf, real=followed.real))
        elif path:
            self.interpreters.setdefault(wanted, set()).add(root.path)

    def _load(self, name: str, loader: Loaded) -> Loaded | None:
        """Return the library *name* for *loader*, None if it is nowhere; note what is lacking."""
        found = self._linker.find(name, loader)
        if found is not None:
            followed, elf = found
            path = followed.links[0] if followed.links else followed.real
            return Loaded(path, elf, loader, real=followed.real)
        if _FROM_HOST.fullmatch(name):
            self.from_host.add(name)
            return None
        if name == self._machine.interpreter.rpartition("/")[2]:
            needed_by = self.interpreters.setdefault(self._machine.interpreter, set())
            if not loader.source:  # glibc's own libraries name it, too
                needed_by.add(loader.path)
            return None
        return self._lacking(name, loader)

    def _lacking(self, name: str, loader: Loaded) -> Loaded | None:
        asking = Loaded(loader.source, loader.elf, loader.loader) if loader.source else loader
        found = self._build_linker.find(name, asking)
        if found is None and not self._is_starting and name in self._by_name:
            path, elf = self._by_name[name]
            known = self.elsewhere.get(name)
            by = sorted({loader.path, *(known.needed_by if known else ())})
            self.elsewhere[name] = Elsewhere(name, path, tuple(by))
            return Loaded(path, elf, loader)
        lack = self.lacks.get(name)
        if lack is None:
            followed = found[0] if found else None
            present = self._by_name[name][0] if name in self._by_name else ""
            lack = Lack(name, followed, self._target(name, followed, loader), present)
            self.lacks[name] = lack
        lack.note(loader)
        if found is None or lack.found is None:
            return None
        return Loaded(lack.target, found[1], loader, source=_opened(lack.found))

    def _target(self, name: str, found: Followed | None, loader: Loaded) -> str:
        """Return where in the image the library has to be: where it was, if that is searched."""
        if "/" in name:
            return name.strip("/")
        path = _opened(found) if found else ""
        folder = path.rpartition("/")[0]
        if not folder or not self._linker.searches(folder, loader):
            folder = self._linker.default_folders[1]
        return f"{folder}/{name}"

    def _check_versions(self, current: Loaded, names: Mapping[str, Loaded | None]) -> None:
        """Note the versions of symbols that *current* requires and the process does not have."""
        for name, versions in current.elf.requires:
            provider = names.get(name)
            if provider is None or not provider.elf.defines:
                continue
            lacking = [version for version in versions if version not in provider.elf.defines]
            for prefix in sorted({version.partition("_")[0] for version in lacking}):
                needs = highest(tuple(lacking), prefix) or lacking[0]
                key = (provider.real, current.path, prefix)
                if key not in self.outdated:
                    self.outdated[key] = Outdated(
                        soname=name,
                        library=provider.path,
                        path=current.path,
                        needs=needs,
                        offers=highest(provider.elf.defines, prefix),
                    )


def _opened(found: Followed) -> str:
    return found.links[0] if found.links else found.real


def _is_named(path: str, elf: Elf, named: set[str]) -> bool:
    return elf.soname in named or path.rpartition("/")[2] in named

"""The examination of an image's native libraries: what it lacks, what it can do without.

Nothing is guessed: what needs what is read from the ELF files, where the linker looks follows its
own rules, and what a lacking library belongs to is read from the build stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from laststage.analysis.closure import Closure, Lack
from laststage.analysis.elf import Elf
from laststage.analysis.findings import (
    Findings,
    Foreign,
    Missing,
    MissingInterpreter,
    Owner,
    Unresolved,
)
from laststage.analysis.machines import Machine, machine_name, machine_of
from laststage.analysis.owners import Owners
from laststage.analysis.run_time_libraries import package_of
from laststage.analysis.tree import Followed, Tree

_LINUX = (0, 3)  # the systems in a header that Linux takes: none in particular, and Linux
_ARM = 97  # what old compilers for ARM wrote there
_BIONIC = frozenset(("libandroid.so", "liblog.so"))
_MUSL = re.compile(r"(?<![a-z])(?:linux)?musl(?![a-z])", re.IGNORECASE)


def examine(
    final: Tree,
    build: Tree,
    *,
    above: int,
    architecture: str,
    env: Mapping[str, str] | None = None,
    build_env: Mapping[str, str] | None = None,
    program: str = "",
    loaded: Mapping[str, Sequence[str]] | None = None,
) -> Findings:
    """Return what the native libraries of *final* lack, with where *build* has it.

    *above* is how many layers of *final*, from the lowest, are its base: what comes with those is
    not examined by itself. *env* is the image's environment, of which LD_LIBRARY_PATH and
    LD_PRELOAD count. *program* is the path of what the image starts, or of the interpreter that
    runs it: libraries are loaded into that. *loaded* are libraries that are loaded by name at run
    time, each list under the name of who does that. Raise UsageError for an unknown
    *architecture*, IntegrityError for layers that are missing or damaged.
    """
    machine = machine_of(architecture)
    env = env or {}
    started = final.resolve(program) if program else None
    started_elf = final.elf(started) if started else None
    is_musl = _is_musl(final, build, machine, started_elf)
    elves: dict[str, Elf] = {}
    foreign, damaged = [], []
    for path, elf in final.elves(above=above):
        if elf is None:
            damaged.append(path)
        elif elf.kind != "other":
            reason = _foreign(path, elf, machine, is_musl=is_musl)
            if reason:
                foreign.append(Foreign(path, reason))
            else:
                elves[path] = elf
    closure = Closure(final, build, machine, env=env, build_env=build_env or {})
    by_name = dict(loaded or {})
    preload = env.get("LD_PRELOAD", "").replace(":", " ").split()
    if preload:
        by_name["LD_PRELOAD"] = preload
    starting = None
    if started is not None and started_elf is not None and machine.fits(started_elf):
        starting = (started, started_elf)
    closure.run(elves, starting, by_name)
    return _findings(closure, build, foreign, damaged)


def _findings(
    closure: Closure, build: Tree, foreign: list[Foreign], damaged: list[str]
) -> Findings:
    linkers = {path: build.follow(path) for path in closure.interpreters}
    found = [lack.found for lack in closure.lacks.values()] + list(linkers.values())
    owners = Owners(build).of({followed.real for followed in found if followed})
    missing: list[Missing] = []
    optional: list[Missing | Unresolved] = []
    unresolved: list[Unresolved] = []
    for _, lack in sorted(closure.lacks.items()):
        needed_by = tuple(sorted(lack.needed_by))
        one: Missing | Unresolved
        if lack.found is not None:
            one = _missing(lack, lack.found, needed_by, owners)
        else:
            one = Unresolved(
                lack.soname, lack.chain, needed_by, package_of(lack.soname), lack.present
            )
        if lack.is_optional:
            optional.append(one)
        elif isinstance(one, Missing):
            missing.append(one)
        else:
            unresolved.append(one)
    return Findings(
        missing=tuple(missing),
        optional=tuple(optional),
        unresolved=tuple(unresolved),
        interpreter=tuple(
            MissingInterpreter(
                path,
                tuple(sorted(closure.interpreters[path])),
                followed.real if followed else "",
                owners.get(followed.real) if followed else None,
            )
            for path, followed in sorted(linkers.items())
        ),
        outdated=tuple(one for _, one in sorted(closure.outdated.items())),
        foreign=tuple(foreign),
        elsewhere=tuple(one for _, one in sorted(closure.elsewhere.items())),
        from_host=tuple(sorted(closure.from_host)),
        damaged=tuple(damaged),
    )


def _missing(
    lack: Lack, found: Followed, needed_by: tuple[str, ...], owners: Mapping[str, Owner]
) -> Missing:
    return Missing(
        soname=lack.soname,
        path=found.links[0] if found.links else found.real,
        links=found.links,
        real=found.real,
        target=lack.target,
        chain=lack.chain,
        needed_by=needed_by,
        owner=owners.get(found.real),
        present=lack.present,
    )


def _is_musl(final: Tree, build: Tree, machine: Machine, program: Elf | None) -> bool:
    """Whether the image is one of musl: what it starts says so, or its linkers do."""
    if program is not None and program.interpreter:
        return program.is_musl
    if final.resolve(machine.interpreter) or build.resolve(machine.interpreter):
        return False
    return any(name.startswith("ld-musl-") for name in final.names("lib"))


def _foreign(path: str, elf: Elf, machine: Machine, *, is_musl: bool) -> str:
    """Return why *elf* cannot be used in the image, "" if it can."""
    if not machine.fits(elf):
        return f"for {machine_name(elf)}"
    if elf.abi not in _LINUX and not (elf.abi == _ARM and machine.bits == 32):
        return "for another system than Linux"
    if elf.interpreter.startswith("/system/") or not _BIONIC.isdisjoint(elf.needed):
        return "for Android"
    if elf.is_static:
        return ""
    if is_musl:
        return "for glibc" if elf.highest("GLIBC") else ""
    # what needs nothing of any libc loads anywhere, but stands beside its twin for glibc
    if elf.is_musl or (_MUSL.search(path) and not elf.highest("GLIBC")):
        return "for musl"
    return ""

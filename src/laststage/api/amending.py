"""From a look at a built image to what its plan has to add."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, json, structs

from laststage.errors import BuildError, PlanError
from laststage.events import Warned
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.oci.documents import RunConfig
from laststage.plan.additions import Additions, Library
from laststage.plan.plan import Plan
from laststage.store.records import Records
from laststage.workspace import Workspace

if TYPE_CHECKING:
    from laststage.analysis.findings import Findings, Missing
    from laststage.analysis.tree import Tree

# Raised when the same image would be found to need something else.
_VERSION = 3


class LibraryError(PlanError):
    """The app's program links to a library that cannot be had."""

    code = "LS710"


class Sight(Struct, frozen=True, kw_only=True):
    """What there is to look at: the layers of the image and of its build stage, lowest first.

    *above* is how many of the image's are its base; *loads* are libraries that are loaded by name.
    """

    image: tuple[str, ...]
    above: int
    build: tuple[str, ...]
    config: RunConfig
    platform: Platform
    loads: dict[str, tuple[str, ...]] = {}


class Seen(Struct, frozen=True, kw_only=True):
    """What a look gave: the plan's additions, and what is to be said of the image."""

    additions: Additions
    warnings: tuple[str, ...] = ()


class Examiner:
    """Looks at images; what it found in one it remembers."""

    def __init__(self, workspace: Workspace) -> None:
        self._layers = workspace.layers
        self._records = Records(workspace.store, "amendments", Seen)
        self._sink = workspace.sink

    def examined(self, planned: Plan, known: Additions, sight: Sight) -> Additions:
        """Return *known* and what the image of *planned* needs beyond it.

        Raise BuildError if the image lacks its program, LibraryError if its program links to what
        is nowhere.
        """
        key = Digest.of(json.encode((_VERSION, planned, known, sight))).hex
        seen = self._records.get(key)
        if seen is None:
            seen = self._look(planned, known, sight)
            self._records.put(key, seen)
        for warning in seen.warnings:
            self._sink(Warned(warning))
        return seen.additions

    def _look(self, planned: Plan, known: Additions, sight: Sight) -> Seen:
        from laststage.analysis.installed import run_time_needs
        from laststage.analysis.tree import Tree

        if planned.program:
            needs = self._readable(planned.program, sight)
            if needs is not None:
                known = structs.replace(known, needs=needs)
        image = Tree(self._layers, sight.image)
        loading = run_time_needs(image, above=sight.above)
        findings = self._findings(sight, image, {name: lib.sonames for name, lib in loading})
        # beside a library, some need data that its package or another one brings
        whole = {package for _, library in loading if library.extra for package in library.packages}
        libraries = {library.target: library for library in known.libraries}
        libraries |= {library.target: library for library in map(_library, findings.missing)}
        packages = {one.package for one in findings.unresolved} - {"", *known.packages, *whole}
        base = known.base or ("base-nossl" if findings.interpreter else "")
        if not base or base == known.base:
            _refuse(findings, _program(sight.config))
        return Seen(
            additions=structs.replace(
                known,
                libraries=tuple(libraries[target] for target in sorted(libraries)),
                packages=(*known.packages, *sorted(packages)),
                whole=tuple(sorted({*known.whole, *whole})),
                base=base,
            ),
            warnings=tuple(_warnings(findings, packages | whole)),
        )

    def _findings(self, sight: Sight, image: Tree, loads: dict[str, tuple[str, ...]]) -> Findings:
        from laststage.analysis.libraries import examine
        from laststage.analysis.tree import Tree

        return examine(
            image,
            Tree(self._layers, sight.build),
            above=sight.above,
            architecture=sight.platform.architecture,
            env=dict(word.partition("=")[::2] for word in sight.config.env or ()),
            program=_program(sight.config).lstrip("/"),
            loaded={**loads, **sight.loads},
        )

    def _readable(self, program: str, sight: Sight) -> tuple[str, ...] | None:
        """Return the packages that the built program can read files of, None if it does not tell."""
        from laststage.analysis.program import readable_packages

        for layer in reversed(sight.image):
            content = self._layers.read_file(layer, program.strip("/"))
            if content is not None:
                return readable_packages(content)
        raise BuildError(f"the image lacks its program {program}")


def describe(before: Plan, after: Plan, found: Additions) -> tuple[str, ...]:
    """Return in words how the plan *after* differs from *before*, having *found* something."""
    old, new = before.needs or (), after.needs or ()
    changes = [f"with {name}" for name in new if name not in old]
    changes += [f"without {name}" for name in old if name not in new]
    if found.base:
        changes.append(f"on {found.base}")
    changes += [f"{name} installed to build" for name in found.packages]
    changes += [f"with {name}" for name in found.whole]
    for library in found.libraries:
        if library.path not in before.dockerfile:
            name = library.target.rpartition("/")[2]
            changes.append(f"with {name}" + (f" of {library.package}" if library.package else ""))
    return tuple(changes)


def _program(config: RunConfig) -> str:
    argv = (*(config.entrypoint or ()), *(config.cmd or ()))
    return argv[0] if argv else ""


def _library(missing: Missing) -> Library:
    package = missing.owner.package if missing.owner else ""
    return Library(f"/{missing.path}", f"/{missing.target}", package)


def _refuse(findings: Findings, program: str) -> None:
    """Raise LibraryError for what keeps the program itself from starting."""
    start = program.lstrip("/")
    for one in findings.unresolved:
        if one.chain[:1] == (start,) and not one.package:
            raise LibraryError(
                f"{program} needs {one.soname}, which is neither in its base nor in the build stage",
                hint="name the Debian package that has it: packages = [...] under [app] in "
                "laststage.toml, or --apt PACKAGE",
            )
    for old in findings.outdated:
        if old.path == start:
            raise LibraryError(
                f"{program} needs {old.needs} of {old.soname}, and the base offers {old.offers}",
                hint="build it on the same release of Debian as its base",
            )


def _warnings(findings: Findings, packages: set[str]) -> list[str]:
    lines = [
        f"{one.soname} is nowhere to be had; {' > '.join(f'/{step}' for step in one.chain)} needs it"
        for one in findings.unresolved
        if one.package not in packages
    ]
    lines += [
        f"/{old.path} needs {old.needs} of {old.soname}, and the image offers {old.offers}"
        for old in findings.outdated
    ]
    return [*lines, *(f"/{path} is a damaged ELF file" for path in findings.damaged)]

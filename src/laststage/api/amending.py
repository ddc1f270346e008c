"""From a look at a built image to what its plan has to add."""

from __future__ import annotations

from msgspec import json, structs

from laststage.errors import BuildError
from laststage.model.digest import Digest
from laststage.plan.additions import Additions
from laststage.plan.plan import Plan
from laststage.store.records import Records
from laststage.workspace import Workspace

# Raised when the same image would be found to need something else.
_VERSION = 1


class Examiner:
    """Looks at images; what it found in one it remembers."""

    def __init__(self, workspace: Workspace) -> None:
        self._layers = workspace.layers
        self._records = Records(workspace.store, "amendments", Additions)

    def examined(
        self, planned: Plan, known: Additions, *, image: list[str], build: list[str]
    ) -> Additions:
        """Return *known* and what the image of *planned* needs beyond it.

        *image* and *build* are the layers of the last stage and of the stage that things come from.
        Raise BuildError if the image lacks its program.
        """
        key = Digest.of(json.encode((_VERSION, planned, known, image, build))).hex
        found = self._records.get(key)
        if found is None:
            found = self._look(planned, known, image, build)
            self._records.put(key, found)
        return found

    def _look(
        self, planned: Plan, known: Additions, image: list[str], build: list[str]
    ) -> Additions:
        del build
        if planned.program:
            needs = self._readable(planned.program, image)
            if needs is not None:
                return structs.replace(known, needs=needs)
        return known

    def _readable(self, program: str, image: list[str]) -> tuple[str, ...] | None:
        """Return the packages that the built program can read files of, None if it does not tell."""
        from laststage.analysis.program import readable_packages

        for layer in reversed(image):
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
    for library in found.libraries:
        if library.path not in before.dockerfile:
            name = library.path.rpartition("/")[2]
            changes.append(f"with {name}" + (f" of {library.package}" if library.package else ""))
    return tuple(changes)

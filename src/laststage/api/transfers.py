"""Images between the store and registries, and their names in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.registry.names import check_target
from laststage.store.locks import locked
from laststage.workspace import Workspace

if TYPE_CHECKING:
    from laststage.registry.pulling import RemoteImage


def pull(
    workspace: Workspace, reference: Reference, platform: Platform | None = None
) -> RemoteImage:
    """Fetch an image into the store, whole, and tag it there as *reference*.

    *platform* is this machine's own if None. Raise NetworkError or one of its kinds if it cannot be
    had, IntegrityError if it is not what it should be; no tag changes then.
    """
    workspace.hold()
    return workspace.registry().pull(reference, platform or workspace.platform)


def push(workspace: Workspace, name: str, destination: Reference | None = None) -> Digest:
    """Send the image *name* of the store to *destination*, or to where its own name says.

    Return its digest. Raise UsageError if the name is none or names no registry, NetworkError or one
    of its kinds if it cannot be sent; the registry has no new name then.
    """
    workspace.hold()
    image = workspace.layout.resolve(name)
    target = destination or Reference.parse(name)
    if destination is None and workspace.layout.find(target) is None:
        raise UsageError(f"{name} says which image, not where to", hint="name a DESTINATION")
    check_target(target)
    return workspace.registry().push(image, target)


def copy(
    workspace: Workspace,
    source: Reference,
    destination: Reference,
    platform: Platform | None = None,
    *,
    with_referrers: bool = False,
) -> Digest:
    """Copy an image between registries, for all its platforms or for one; return its digest.

    Nothing is stored here. What refers to the image, such as SBOMs and signatures, goes along if that
    is wanted. Raise NetworkError or one of its kinds, or IntegrityError.
    """
    check_target(destination)
    workspace.hold()
    return workspace.registry().copy(
        source, destination, platform=platform, with_referrers=with_referrers
    )


def tag(workspace: Workspace, name: str, new: Sequence[Reference]) -> None:
    """Make *new* names of the image *name* of the store. Raise UsageError, changing nothing."""
    for reference in new:
        if reference.digest is not None:
            raise UsageError(
                f"{reference} has a digest, which is what it is", hint="a new name has a tag alone"
            )
    workspace.hold()
    # no collection may come between the look at the old name and the new one: the old may go as well
    with locked(workspace.store, "gc", shared=True):
        image = workspace.layout.resolve(name)
        for reference in new:
            workspace.layout.tag(reference, image)


def untag(workspace: Workspace, names: Sequence[str]) -> tuple[Reference, ...]:
    """Take tags out of the store, by name or by the digits that an image's digest begins with.

    Return those that are gone. What they named stays until it is collected. Raise UsageError,
    changing nothing, if one of *names* is none.
    """
    workspace.hold()
    return workspace.layout.untag(names)

"""Whether this machine can fetch what an app's own build would fetch: some plans have another way."""

from __future__ import annotations

import os

from msgspec import Struct

from laststage.errors import NetworkError
from laststage.model.digest import Digest
from laststage.store.records import Records
from laststage.workspace import Workspace

# How long an answer counts, in seconds: a plan should not change from one minute to the next.
_LASTS = 3600


class _Answer(Struct, frozen=True):
    reached: bool
    asked: int


class Reach:
    """Asks for addresses, and remembers the answers in the store of *workspace*."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._records = Records(workspace.store, "reached", _Answer)

    def __call__(self, url: str) -> bool:
        """Whether *url* can be fetched; offline, whether it could be when last asked."""
        key = Digest.of(url.encode()).hex
        known = self._records.get(key)
        now = int(self._workspace.now())
        is_fresh = known is not None and 0 <= now - known.asked < _LASTS
        if known is not None and (is_fresh or self._workspace.settings.offline):
            return known.reached
        if self._workspace.settings.offline:
            return True
        try:
            with self._workspace.transport().get(url, limit=1 << 40):
                reached = True
        except NetworkError:
            reached = False
        self._workspace.store.prepare()
        self._records.put(key, _Answer(reached, now))
        return reached


def unreachable_from(folder: str, reach: Reach) -> tuple[str, ...]:
    """Return the addresses that the build of the app in *folder* could not fetch from here.

    Nothing is asked for unless a plan depends on it.
    """
    if not os.path.isfile(f"{folder}/gradle/wrapper/gradle-wrapper.properties"):
        return ()
    from laststage.detect.files import AppFolder
    from laststage.detect.java.gradle import distribution

    app = AppFolder(folder)
    address = "" if app.has("pom.xml") else distribution(app)
    return (address,) if address and not reach(address) else ()

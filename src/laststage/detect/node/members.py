"""Which package of a workspace is the app."""

from __future__ import annotations

import posixpath

from laststage.detect.errors import AmbiguousAppError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.node.frameworks import framework_of, is_site_program
from laststage.errors import UsageError

_MAIN_SCRIPTS = ("start", "start:prod", "serve", "server")


def choose_package(app: AppFolder) -> JavaScriptPackage | None:
    """Return the package that is to run, None if there is no package.json.

    Raise UsageError if the one that is asked for is not there, and AmbiguousAppError if a
    workspace has several that start and its root does not say which.
    """
    root = read_package(app)
    if wanted := app.said.package:
        members = root.members if root else {}
        folder = members.get(wanted, posixpath.normpath(wanted))
        found = read_package(app, "" if folder == "." else folder)
        if found is None:
            have = ", ".join(sorted(members.values())) or "none"
            raise UsageError(
                f"no package.json in {wanted!r}", hint=f"members of the workspace: {have}"
            )
        return found
    if root is None or not root.members or starts(root) or app.said.start or app.has("Procfile"):
        return root
    candidates = []
    for folder in sorted(root.members.values()):
        member = read_package(app, folder)
        if (
            member
            and not _is_site(member)
            and (starts(member) or (framework_of(member) and "build" in member.scripts))
        ):
            candidates.append(member)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        return root
    listed = ", ".join(one.folder for one in candidates)
    raise AmbiguousAppError(
        f"the workspace has {len(candidates)} packages that start: {listed}",
        where="package.json",
        hint=f'choose one: package = "{candidates[0].folder}" under [app] in laststage.toml, or '
        "--package",
    )


def _is_site(package: JavaScriptPackage) -> bool:
    """Whether the start script of *package* serves a site for development."""
    words = package.scripts.get("start", "").split()
    return bool(words) and (is_site_program(words[0]) or words[0] == "vite")


def starts(package: JavaScriptPackage) -> bool:
    """Whether *package* has a script that starts it."""
    return any(name in package.scripts for name in _MAIN_SCRIPTS)

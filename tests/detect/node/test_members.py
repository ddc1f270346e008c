"""Which package of a workspace is the app."""

from __future__ import annotations

import json

import pytest

from laststage.detect.errors import AmbiguousAppError
from laststage.errors import UsageError

from .apps import LISTENS
from .conftest import Find

WORKSPACE = {"workspaces": ["apps/*", "libs/*"]}
MEMBERS = {
    "apps/api/package.json": json.dumps(
        {"name": "api", "scripts": {"start": "node index.js"}, "dependencies": {"lib": "*"}}
    ),
    "apps/api/index.js": LISTENS,
    "libs/lib/package.json": json.dumps({"name": "lib", "scripts": {"build": "tsc"}}),
}


def test_the_member_that_starts(find: Find) -> None:
    found = find(WORKSPACE, MEMBERS)
    assert (found.folder, found.start, found.name) == ("apps/api", ("index.js",), "api")
    assert found.steps == ("cd libs/lib && npm run build",)


def test_several_members_that_start(find: Find) -> None:
    other = {"apps/web/package.json": '{"name": "web", "scripts": {"start": "node a.js"}}'}
    files = {**MEMBERS, **other, "apps/web/a.js": LISTENS}
    with pytest.raises(AmbiguousAppError, match="apps/api, apps/web") as caught:
        find(WORKSPACE, files)
    assert 'package = "apps/api" under [app]' in caught.value.hint
    for name in ("apps/web", "web", "./apps/web"):
        assert find(WORKSPACE, files, package=name).folder == "apps/web"
    with pytest.raises(UsageError, match="no package"):
        find(WORKSPACE, files, package="apps/none")


@pytest.mark.parametrize(
    "start",
    ["npm start -w api", "npm start --workspace=api", "yarn workspace api start",
     "pnpm --filter api start", "cd apps/api && npm start", "npm --prefix apps/api start"],
)  # fmt: skip
def test_a_root_that_starts_a_member(find: Find, start: str) -> None:
    found = find({**WORKSPACE, "scripts": {"start": start}}, MEMBERS)
    assert (found.folder, found.start) == ("apps/api", ("index.js",))

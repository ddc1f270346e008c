"""Which package of a folder is the site."""

from __future__ import annotations

import pytest

from laststage.detect.errors import AmbiguousAppError

from .conftest import Find
from .sites import PAGE, VITE, package

WORKSPACE = {
    "package.json": package(workspaces=["apps/*", "packages/*"], private=True),
    "apps/web/package.json": package(VITE, name="web", dependencies={"kit": "*"}),
    "apps/web/index.html": PAGE,
    "packages/kit/package.json": package(name="kit", scripts={"build": "tsc"}),
}


def test_the_site_of_a_workspace(find: Find) -> None:
    found = find(WORKSPACE)
    assert found is not None
    assert (found.name, found.output) == ("web", "apps/web/dist")
    assert "(cd packages/kit && npm run build)" in found.build
    assert found.build.endswith("cd apps/web && npm run build")


def test_a_workspace_with_a_server_is_no_site(find: Find) -> None:
    api = package(name="api", scripts={"start": "node index.js"})
    assert find({**WORKSPACE, "apps/api/package.json": api}) is None


def test_two_sites_are_one_too_many(find: Find) -> None:
    files = {
        **WORKSPACE,
        "apps/two/package.json": package(VITE, name="two"),
        "apps/two/index.html": PAGE,
    }
    with pytest.raises(AmbiguousAppError) as caught:
        find(files)
    assert 'package = "apps/two"' in caught.value.hint
    assert "apps/two, apps/web" in str(caught.value)
    chosen = find(files, package="apps/two")
    assert chosen is not None
    assert chosen.output == "apps/two/dist"
    by_name = find(files, package="web")
    assert by_name is not None
    assert by_name.output == "apps/web/dist"


def test_the_only_package_below_the_folder(find: Find) -> None:
    found = find({"README.md": "", "client/package.json": package(VITE), "client/index.html": PAGE})
    assert found is not None
    assert (found.output, found.build) == ("client/dist", "cd client && npm run build")

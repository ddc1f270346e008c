"""What is said of a folder in which no app is, or none that laststage plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError
from laststage.detect.folder import detect
from laststage.detect.static.profile import StaticProfile

MakeTree = Callable[[Mapping[str, str | bytes]], str]

SITE = '{"name": "site", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "^7"}}'


def test_a_server_and_a_site_side_by_side(make_tree: MakeTree) -> None:
    site: dict[str, str | bytes] = {"web/package.json": SITE, "web/index.html": ""}
    assert isinstance(detect(make_tree(site)), StaticProfile)
    assert isinstance(detect(make_tree({**site, "docs/requirements.txt": ""})), StaticProfile)
    folder = make_tree({**site, "api/requirements.txt": "flask\n", "api/app.py": ""})
    with pytest.raises(AmbiguousAppError, match="there are apps in 2 folders: api, web") as caught:
        detect(folder)
    assert caught.value.hint.endswith(f"laststage build {folder}/api")


def test_the_only_app_is_below(make_tree: MakeTree) -> None:
    files = {"README.md": "", "backend/app/main.py": "", "backend/app/setup.py": "", "a/no.txt": ""}
    folder = make_tree({**files, "backend/requirements.txt": "", "tests/package.json": "{}"})
    with pytest.raises(NoAppError, match="found no app") as caught:
        detect(folder)
    assert caught.value.hint == f"there may be one in backend: laststage build {folder}/backend"


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("Gemfile", "this is a Ruby app (Gemfile), and laststage has no plan for Ruby"),
        ("mix.exs", "this is an Elixir app (mix.exs), and laststage has no plan for Elixir"),
        ("a.csproj", "this is a .NET app (a.csproj), and laststage has no plan for .NET"),
    ],
)
@pytest.mark.parametrize("package", ['{"scripts": {"build": "esbuild app.js"}}', ""])
def test_an_app_of_another_kind(make_tree: MakeTree, marker: str, said: str, package: str) -> None:
    folder = make_tree({marker: "", **({"package.json": package} if package else {})})
    with pytest.raises(UnsupportedAppError) as caught:
        detect(folder)
    assert caught.value.message == said
    assert caught.value.where == f"{folder}/{marker}"

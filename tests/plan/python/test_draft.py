"""From a Python app's files to its Dockerfile, word for word: each case a file in golden/."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.folder import detect
from laststage.detect.settings import AppSettings
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.plan.additions import Additions, Library
from laststage.plan.plan import Plan, make_plan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
GOLDEN = Path(__file__).parent / "golden"

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"
HELLO = "print('hello')\n"
PROJECT = '[project]\nname = "tool"\nversion = "1"\ndependencies = ["rich"]\n'
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'

CASES: dict[str, tuple[dict[str, str | bytes], dict[str, Any]]] = {
    "requirements": ({"requirements.txt": "flask\ngunicorn\n", "app.py": FLASK}, {}),
    "front-end": (
        {
            "requirements.txt": "flask\n",
            "app.py": FLASK.replace("__name__", "__name__, static_folder='site/dist'"),
            "site/package.json": '{"name": "site", "scripts": {"build": "vite build"}}',
            "site/package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}',
        },
        {},
    ),
    "server-added": ({"requirements.txt": "flask\n", "app.py": FLASK}, {}),
    "requirements-with-hashes": (
        {"requirements.txt": "flask==3.1.0 --hash=sha256:0\n", "app.py": FLASK},
        {},
    ),
    "requirements-in-folders": (
        {
            "requirements/prod.txt": "-r base.txt\ngunicorn\n",
            "requirements/base.txt": "flask\npywin32==306\n-e ../lib\n",
            "app.py": FLASK,
        },
        {},
    ),
    "compiled": (
        {"requirements.txt": "flask\ngunicorn\npsycopg2==2.9.9\n", "app.py": FLASK},
        {},
    ),
    "bookworm": ({"requirements.txt": "numpy==1.26.4\n", "main.py": HELLO}, {}),
    "uv-lock": (
        {"pyproject.toml": PROJECT, "uv.lock": "version = 1\n", "main.py": HELLO},
        {},
    ),
    "poetry-lock": (
        {
            "pyproject.toml": '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\nflask = "^3"\n',
            "poetry.lock": '[[package]]\nname = "flask"\nversion = "3.1.0"\n',
            "app.py": FLASK,
        },
        {},
    ),
    "pdm-lock": ({"pyproject.toml": PROJECT, "pdm.lock": "", "main.py": HELLO}, {}),
    "pipfile-lock": ({"Pipfile": "", "Pipfile.lock": '{"default": {}}', "main.py": HELLO}, {}),
    "pylock": ({"pylock.toml": "packages = []\n", "main.py": HELLO}, {}),
    "pyproject": ({"pyproject.toml": PROJECT, "main.py": HELLO}, {}),
    "poetry-without-lock": (
        {
            "pyproject.toml": '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\nrich = "^13"\n',
            "main.py": HELLO,
        },
        {},
    ),
    "pipfile": ({"Pipfile": '[packages]\nrich = "*"\n', "main.py": HELLO}, {}),
    "console-script": (
        {
            "pyproject.toml": PROJECT + '[project.scripts]\ntool = "tool:main"\n' + BUILD,
            "src/tool/__init__.py": "def main():\n    print()\n",
        },
        {},
    ),
    "setup-py": (
        {"setup.py": "from setuptools import setup\nsetup()\n", "main.py": HELLO},
        {},
    ),
    "django": (
        {
            "requirements.txt": "django\ngunicorn\n",
            "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")\n',
            "site1/__init__.py": "",
            "site1/wsgi.py": "application = None\n",
            "site1/settings.py": 'import os\nSECRET_KEY = os.environ["SECRET_KEY"]\nSTATIC_ROOT = "x"\n',
        },
        {},
    ),
    "django-static-at-times": (
        {
            "requirements.txt": "django\ngunicorn\n",
            "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")\n',
            "site1/__init__.py": "",
            "site1/settings.py": "DEBUG = False\nif not DEBUG:\n    STATIC_ROOT = 'x'\n",
        },
        {},
    ),
    "writes": (
        {"requirements.txt": "flask\ngunicorn\n", "app.py": FLASK + 'open("log", "a")\n'},
        {},
    ),
    "without-dependencies": ({"main.py": HELLO}, {}),
    "imports-alone": (
        {"server.py": "import tornado.web\napp = tornado.web.Application()\napp.listen(8888)\n"},
        {},
    ),
    "another-python": ({"requirements.txt": "flask\n", "app.py": FLASK}, {"version": "3.12"}),
    "said": (
        {"requirements.txt": "flask\n", "app.py": FLASK},
        {"build": "python -m tools.pack", "packages": ("libmagic1",), "start": "python app.py"},
    ),
}


def planned(make_tree: MakeTree, name: str) -> Plan:
    files, said = CASES[name]
    return make_plan(detect(make_tree(files), AppSettings(**said)))


@pytest.mark.parametrize("name", CASES)
def test_golden(make_tree: MakeTree, golden: Any, name: str) -> None:
    text = planned(make_tree, name).dockerfile
    # the folder's own name is another one in each test
    named = text.splitlines()[0]
    golden.check(GOLDEN / f"{name}.Dockerfile", text.replace(named, "# The Python app.", 1))


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.Dockerfile")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_dockerfile_of_two_stages(make_tree: MakeTree, name: str) -> None:
    plan = planned(make_tree, name)
    *front_end, build, last = parse(plan.dockerfile).stages
    assert [stage.name for stage in front_end] == (["frontend"] if name == "front-end" else [])
    assert (build.name, last.name) == ("build", "")
    assert plan.build_stage == "build"
    lines = plan.dockerfile[plan.dockerfile.index("FROM gcr.io") :].splitlines()
    assert not any(line.startswith("RUN") for line in lines), "a last stage has no shell"
    assert "\n\n\n" not in plan.dockerfile.partition("<<'EOF'")[0]


@pytest.mark.parametrize(
    ("name", "builder", "base"),
    [
        ("requirements", "python:3.13-slim-trixie", "python3-debian13"),
        ("bookworm", "python:3.11-slim-bookworm", "python3-debian12"),
        ("another-python", "python:3.12-slim-trixie", "base-debian13"),
    ],
)
def test_builder_and_base_go_together(
    make_tree: MakeTree, name: str, builder: str, base: str
) -> None:
    text = planned(make_tree, name).dockerfile
    assert f"FROM {builder} AS build\n" in text
    assert f"FROM gcr.io/distroless/{base}:nonroot\n" in text


def test_another_python_goes_along_with_its_library(make_tree: MakeTree) -> None:
    text = planned(make_tree, "another-python").dockerfile
    assert "cp -a /usr/local/lib/python3.12 /python/usr/local/lib/" in text
    assert "COPY --from=build /python/ /\n" in text
    assert "/usr/bin/python" not in text


def test_libraries_that_the_look_found(make_tree: MakeTree) -> None:
    files, _ = CASES["requirements"]
    path = "/usr/lib/x86_64-linux-gnu/libpq.so.5"
    found = Additions(libraries=(Library(path, path, "libpq5"),), packages=("libpq5",))
    text = make_plan(detect(make_tree(files)), found).dockerfile
    assert "libpq.so.5" in text[text.index("FROM gcr.io") :]
    assert 'dpkg-query -s "$package"' in text
    # what it needs besides is installed last, so that nothing before it runs again
    assert text.index("install -y --no-install-recommends libpq5") > text.index("COPY . .")


def test_what_stays_out_of_the_context(make_tree: MakeTree) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, "requirements").dockerignore)
    out = [
        ".git/config", ".env", ".venv/bin/python", "venv/bin/python", "app/__pycache__/x.pyc",
        ".pytest_cache/x", "x.egg-info/PKG-INFO", ".mypy_cache/x", "Dockerfile", "id_rsa",
        "node_modules/x/index.js",
    ]  # fmt: skip
    assert [path for path in out if not ignore.ignores(path)] == []
    kept = [
        "app.py",
        "requirements.txt",
        "tests.py",
        "polls/tests.py",
        "README.md",
        "env.py",
        "app/env/x.py",
    ]
    assert [path for path in kept if ignore.ignores(path)] == []


@pytest.mark.parametrize("has_strip", [True, False])
def test_debug_information_is_dropped_where_it_can_be(
    make_tree: MakeTree, tmp_path: Path, has_strip: bool
) -> None:
    text = planned(make_tree, "requirements").dockerfile
    step = re.search(r"cd (/app/\S+) (&& \\\n *large=(?:.*\\\n)*.*)", text)
    assert step
    tools, site = tmp_path / "tools", tmp_path / "site"
    (site / "a").mkdir(parents=True)
    tools.mkdir()
    for tool in ("find", "grep", "xargs"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    if has_strip:
        (tools / "strip").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/stripped\n')
        (tools / "strip").chmod(0o755)
    debug, origin, large = b".symtab\0.debug_info\0", b"$ORIGIN/../a.libs\0", bytes(1 << 19)
    files = {
        "a/a.so": debug + large, "b.so": debug, "c.so": large, "d.so": debug + origin + large,
        "e.py": debug + large,
    }  # fmt: skip
    for name, content in files.items():
        (site / name).write_bytes(content)
    command = f"cd {site} {step[2]}"
    stripped = tmp_path / "stripped"
    for gone in ("e.py", "d.so", "a/a.so"):
        subprocess.run(["/bin/sh", "-ec", command], env={"PATH": str(tools)}, check=True)
        assert stripped.exists() is has_strip
        assert not has_strip or stripped.read_text() == "--strip-unneeded ./a/a.so\n"
        (site / gone).unlink()
        stripped.unlink(missing_ok=True)
    subprocess.run(["/bin/sh", "-ec", command], env={"PATH": str(tools)}, check=True)
    assert not stripped.exists()

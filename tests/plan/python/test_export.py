"""The scripts that turn a lock into lists for pip, run as a build stage runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import laststage.plan.python

pytest.importorskip("pip._vendor.packaging")

SCRIPTS = Path(laststage.plan.python.__file__).parent / "export"
Export = Callable[..., tuple[list[str], list[str]]]

FILES = 'sdist = { url = "http://x/a.tar.gz", hash = "sha256:aa" }\nwheels = [{ url = "http://x/a.whl", hash = "sha256:bb" }]\n'
REGISTRY = 'source = { registry = "http://x" }\n'


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Return a function that runs scripts in a folder and gives the lines of each list."""

    def run(files: dict[str, str], *names: str) -> tuple[list[str], list[str]]:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        script = "".join((SCRIPTS / f"{name}.script").read_text() for name in names)
        script = script.replace('"/tmp/', f'"{tmp_path}/')
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
        lists = ("wanted.txt",) if "common" not in names else ("locked.txt", "other.txt")
        read = [(tmp_path / name).read_text().splitlines() for name in lists]
        return read[0], read[-1]

    return run


def test_uv(export: Export) -> None:
    lock = f"""
[[package]]
name = "app"
version = "1"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "one", extra = ["more"] }},
    {{ name = "windows", marker = "sys_platform == 'win32'" }},
    {{ name = "forked", version = "2", marker = "python_full_version >= '3'" }},
    {{ name = "member" }}, {{ name = "fetched" }},
]
[package.dev-dependencies]
dev = [{{ name = "pytest" }}]
[[package]]
name = "one"
version = "1.0"
{REGISTRY}{FILES}[package.optional-dependencies]
more = [{{ name = "two" }}]
[[package]]
name = "two"
version = "2.0"
{REGISTRY}{FILES}
[[package]]
name = "pytest"
version = "9"
{REGISTRY}{FILES}
[[package]]
name = "windows"
version = "1"
{REGISTRY}{FILES}
[[package]]
name = "forked"
version = "1"
{REGISTRY}{FILES}resolution-markers = ["python_full_version < '3'"]
[[package]]
name = "forked"
version = "2"
{REGISTRY}{FILES}resolution-markers = ["python_full_version >= '3'"]
[[package]]
name = "member"
version = "1"
source = {{ editable = "libs/member" }}
[[package]]
name = "fetched"
version = "1"
source = {{ git = "https://example.test/f.git?subdirectory=py#abc" }}
"""
    locked, other = export({"uv.lock": lock}, "common", "uv", "finish")
    assert locked == [
        f"{one} --hash=sha256:aa --hash=sha256:bb" for one in ("forked==2", "one==1.0", "two==2.0")
    ]
    assert sorted(other) == [
        "./libs/member",
        "fetched @ git+https://example.test/f.git@abc#subdirectory=py",
    ]


POETRY = """
[[package]]
name = "Flask"
version = "3.1.0"
optional = false
python-versions = ">=3.9"
files = [{ file = "f.whl", hash = "sha256:aa" }]
[package.dependencies]
click = ">=8"
asgiref = { version = "*", optional = true, markers = "extra == \\"async\\"" }
colorama = { version = "*", markers = "platform_system == \\"Windows\\"" }
[package.extras]
async = ["asgiref (>=3.2)"]
[[package]]
name = "click"
version = "8.0"
python-versions = ">=3.7"
files = [{ file = "c.whl", hash = "sha256:cc" }]
[[package]]
name = "asgiref"
version = "3.0"
python-versions = "*"
files = [{ file = "a.whl", hash = "sha256:dd" }]
[[package]]
name = "pytest"
version = "9.0"
python-versions = "*"
files = []
[[package]]
name = "old"
version = "1.0"
python-versions = "<3"
files = [{ file = "o1.whl", hash = "sha256:01" }]
[[package]]
name = "old"
version = "2.0"
python-versions = ">=3"
files = [{ file = "o2.whl", hash = "sha256:02" }]
[metadata]
lock-version = "2.0"
"""


@pytest.mark.parametrize(
    "project",
    [
        (
            '[tool.poetry.dependencies]\npython = "^3.9"\nold = "*"\n'
            'flask = { version = "^3", extras = ["async"] }\n'
            '[tool.poetry.group.dev.dependencies]\npytest = "*"\n'
        ),
        '[project]\nname = "x"\ndependencies = ["flask[async]>=3; python_version>\'3\'", "old (>1)"]\n',
    ],
)
def test_poetry(export: Export, project: str) -> None:
    files = {"poetry.lock": POETRY, "pyproject.toml": project}
    locked, other = export(files, "common", "poetry", "finish")
    assert [line.split()[0] for line in locked] == [
        "asgiref==3.0",
        "click==8.0",
        "flask==3.1.0",
        "old==2.0",
    ]
    assert other == []


def test_an_old_poetry_lock_keeps_its_hashes_elsewhere(export: Export) -> None:
    lock = '[[package]]\nname = "a"\nversion = "1"\n[metadata.files]\na = [{ file = "a", hash = "sha256:ee" }]\n'
    files = {"poetry.lock": lock, "pyproject.toml": '[tool.poetry.dependencies]\na = "^1"\n'}
    assert export(files, "common", "poetry", "finish")[0] == ["a==1 --hash=sha256:ee"]


def test_pdm(export: Export) -> None:
    lock = """
[metadata]
groups = ["default", "dev"]
[[package]]
name = "one"
version = "1"
groups = ["default"]
files = [{ file = "x.whl", hash = "sha256:aa" }]
[[package]]
name = "one"
version = "1"
extras = ["more"]
groups = ["default"]
[[package]]
name = "tests"
version = "1"
groups = ["dev"]
files = [{ file = "x.whl", hash = "sha256:bb" }]
[[package]]
name = "windows"
version = "1"
groups = ["default"]
marker = "sys_platform == 'win32'"
files = [{ file = "x.whl", hash = "sha256:bb" }]
"""
    locked, other = export({"pdm.lock": lock}, "common", "pdm", "finish")
    assert locked == ["one==1 --hash=sha256:aa"]
    assert other == []


def test_pipenv(export: Export) -> None:
    lock = {
        "default": {
            "one": {"version": "==1", "hashes": ["sha256:aa"]},
            "windows": {"version": "==1", "hashes": ["sha256:aa"], "markers": "os_name == 'nt'"},
            "fetched": {"git": "https://example.test/f.git", "ref": "abc"},
            "local": {"path": "./lib", "editable": True},
        },
        "develop": {"pytest": {"version": "==9", "hashes": ["sha256:aa"]}},
    }
    files = {"Pipfile.lock": json.dumps(lock)}
    locked, other = export(files, "common", "pipfile-lock", "finish")
    assert locked == ["one==1 --hash=sha256:aa"]
    assert other == ["fetched @ git+https://example.test/f.git@abc", "./lib"]


def test_pylock(export: Export) -> None:
    lock = """
lock-version = "1.0"
default-groups = ["default"]
[[packages]]
name = "one"
version = "1"
wheels = [{ url = "http://x/a.whl", hashes = { sha256 = "aa" } }]
[[packages]]
name = "tests"
version = "1"
marker = "'dev' in dependency_groups"
wheels = [{ url = "http://x/a.whl", hashes = { sha256 = "aa" } }]
[[packages]]
name = "grouped"
version = "1"
marker = "'default' in dependency_groups"
wheels = [{ url = "http://x/a.whl", hashes = { sha256 = "bb" } }]
"""
    locked, _ = export({"pylock.toml": lock}, "common", "pylock", "finish")
    assert locked == ["grouped==1 --hash=sha256:bb", "one==1 --hash=sha256:aa"]


def test_dependencies_of_a_project(export: Export) -> None:
    files = {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["a>1", "b[c]"]\n'}
    assert export(files, "pyproject")[0] == ["a>1", "b[c]"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('"^1.2.3"', "a>=1.2.3,<2"), ('"^0.3"', "a>=0.3,<0.4"), ('"^0.0.3"', "a>=0.0.3,<0.0.4"),
        ('"^0"', "a>=0,<1"), ('"~1.2.3"', "a>=1.2.3,<1.3"), ('"~1"', "a>=1,<2"), ('"*"', "a"),
        ('"1.2"', "a==1.2"), ('">=1,<3"', "a>=1,<3"), ('"~=1.2"', "a~=1.2"),
        ('{ version = "^2", extras = ["x"] }', "a[x]>=2,<3"),
        ('{ git = "https://x/y", rev = "1" }', "a @ git+https://x/y@1"),
        ('{ path = "lib" }', "./lib"),
    ],
)  # fmt: skip
def test_poetrys_constraints(export: Export, said: str, wanted: str) -> None:
    files = {"pyproject.toml": f'[tool.poetry.dependencies]\npython = "^3"\na = {said}\n'}
    assert export(files, "poetry-project")[0] == [wanted]


def test_a_pipfile(export: Export) -> None:
    text = '[packages]\na = "*"\nb = "==1"\nc = {extras = ["d"], version = ">2", markers = "os_name == \'nt\'"}\n'
    assert export({"Pipfile": text}, "pipfile")[0] == ["a", "b==1", "c[d]>2; os_name == 'nt'"]

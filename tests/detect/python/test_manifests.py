"""Which list of dependencies counts, and what it says."""

from __future__ import annotations

import pytest

from .apps import FLASK, why
from .conftest import Found

MANIFESTS: dict[str, tuple[dict[str, str], str]] = {
    "a lock goes before requirements": (
        {
            "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n',
            "uv.lock": 'version = 1\nrequires-python = ">=3.11"\n',
            "requirements.txt": "flask\n",
        },
        "uv",
    ),
    "Poetry": (
        {"pyproject.toml": '[tool.poetry]\nname = "x"\n', "poetry.lock": "package = []\n"},
        "poetry",
    ),
    "PDM": ({"pyproject.toml": '[project]\nname = "x"\n', "pdm.lock": ""}, "pdm"),
    "Pipenv": ({"Pipfile": "", "Pipfile.lock": '{"default": {}}'}, "pipfile-lock"),
    "pylock": ({"pylock.toml": "packages = []\n"}, "pylock"),
    "requirements in a folder": ({"requirements/base.txt": "requests\n"}, "requirements"),
    "pyproject without a lock": (
        {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["requests"]\n'},
        "pyproject",
    ),
    "a Pipfile alone": ({"Pipfile": '[packages]\nrequests = "*"\n'}, "pipfile"),
    "setup.py": (
        {"setup.py": 'from setuptools import setup\nsetup(install_requires=["six"])\n'},
        "project",
    ),
    "dependencies that the build backend finds": (
        {"pyproject.toml": '[project]\nname = "x"\ndynamic = ["dependencies"]\n'},
        "project",
    ),
    "an empty list": ({"requirements.txt": "# nothing\n"}, "none"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_which_list_counts(found: Found, case: str) -> None:
    files, manifest = MANIFESTS[case]
    assert found({**files, "main.py": "print()\n"}).manifest == manifest


def test_requirements_that_include_others(found: Found) -> None:
    profile = found(
        {
            "requirements.txt": "-r requirements/base.txt\n-c constraints.txt\n",
            "requirements/base.txt": "flask ; python_version > '3'\n",
            "constraints.txt": "flask==3.1.0\n",
            "app.py": FLASK,
        }
    )
    assert profile.manifest_files == (
        "requirements.txt",
        "requirements/base.txt",
        "constraints.txt",
    )
    assert profile.lists == ("requirements.txt",)


def test_requirements_in_utf_16(found: Found) -> None:
    text = "flask==3.1.0\r\npywin32==306\r\n".encode("utf-16")
    profile = found({"requirements.txt": text, "app.py": FLASK})
    assert profile.left_out == ("pywin32",)
    assert profile.start[-1] == "app:app"


def test_the_project_itself_among_its_requirements(found: Found) -> None:
    profile = found(
        {
            "requirements.txt": "-e .\nrequests\n",
            "setup.py": "from setuptools import setup\nsetup()\n",
            "main.py": "print()\n",
        }
    )
    assert profile.needs_sources


def test_what_is_compiled(found: Found) -> None:
    profile = found({"requirements.txt": "psycopg2==2.9.10\n", "main.py": "print()\n"})
    assert {"gcc", "libpq-dev"} <= set(profile.build_packages)
    assert "psycopg2" in why(profile)
    assert (
        found({"requirements.txt": "psycopg2-binary\n", "main.py": "print()\n"}).build_packages
        == ()
    )


def test_pins_from_before_a_break_get_what_they_worked_with(found: Found) -> None:
    profile = found({"requirements.txt": "flask==1.1.2\njinja2==2.11.3\n", "app.py": FLASK})
    assert "werkzeug<2.1" in profile.more
    assert "markupsafe<2.1" in profile.more
    assert not any(one.startswith("jinja2") for one in profile.more)

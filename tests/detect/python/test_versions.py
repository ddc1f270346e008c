"""Which Python an app gets."""

from __future__ import annotations

import pytest

from laststage.detect.errors import VersionError
from laststage.detect.folder import detect
from laststage.detect.python.profile import PythonProfile
from laststage.detect.settings import AppSettings

from .apps import why
from .conftest import Found, MakeTree

VERSIONS: dict[str, tuple[dict[str, str], str]] = {
    "nothing said": ({}, "3.13"),
    "a pin that there is": ({".python-version": "3.11.4\n"}, "3.11"),
    "a pin between": ({".python-version": "3.12\n"}, "3.13"),
    "a pin before": ({"runtime.txt": "python-3.9.18\n"}, "3.11"),
    "a pin after": ({".python-version": "3.14\n"}, "3.13"),
    "asdf": ({".tool-versions": "nodejs 20\npython 3.11.2\n"}, "3.11"),
    "an upper bound": ({"setup.py": "setup(python_requires='>=3.8,<3.13')\n"}, "3.11"),
    "Poetry's caret": ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.9"\n'}, "3.13"),
    "Poetry's tilde": (
        {"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.11"\n'},
        "3.11",
    ),
    "a Pipfile": ({"Pipfile": '[requires]\npython_version = "3.11"\n'}, "3.11"),
    "an old pin of what is compiled": ({"requirements.txt": "numpy==1.26.4\n"}, "3.11"),
    "a module that is gone": ({"cgi_app.py": "import cgi\n"}, "3.11"),
}


@pytest.mark.parametrize("case", VERSIONS)
def test_which_python(found: Found, case: str) -> None:
    files, version = VERSIONS[case]
    profile = found({"main.py": "print()\n", **files}, language="python")
    assert profile.version == version
    assert f"Python {version}" in why(profile)


def test_a_lock_tells_by_its_wheels(found: Found) -> None:
    lock = (
        'requires-python = ">=3.10"\n[[package]]\nname = "fast"\nversion = "1"\n'
        'source = { registry = "x" }\nwheels = [{ url = "http://x/fast-1-cp311-cp311-manylinux1_x86_64.whl" }]\n'
    )
    files = {"pyproject.toml": '[project]\nname = "x"\n', "main.py": "print()\n"}
    assert found({**files, "uv.lock": lock}).version == "3.11"
    assert found({**files, "uv.lock": lock.replace("cp311-cp311", "cp39-abi3")}).version == "3.13"


def test_a_version_that_cannot_be_had(make_tree: MakeTree) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.14"\n',
        "main.py": "print()\n",
    }
    with pytest.raises(VersionError, match=r"needs Python >=3\.14") as error:
        detect(make_tree(files))
    assert error.value.where == "pyproject.toml:3"
    assert 'version = "3.14"' in error.value.hint
    # but it is the owner's to say so
    profile = detect(make_tree(files), AppSettings(version="3.14"))
    assert isinstance(profile, PythonProfile)
    assert profile.version == "3.14"

"""What is found out about a Python app from its files."""

from __future__ import annotations

import pytest

from laststage.detect.errors import AmbiguousAppError, StartError, UnsupportedAppError, VersionError
from laststage.detect.files import AppFolder
from laststage.detect.folder import detect
from laststage.detect.profile import WITHOUT_ENV_FILE
from laststage.detect.python import app

from .apps import FLASK
from .conftest import Found, MakeTree


@pytest.mark.parametrize(
    "line",
    ['open("log.txt", "a")', 'sqlite3.connect("app.db")', 'URL = "sqlite:///./app.db"',
     "os.makedirs(app.instance_path)", 'os.makedirs("uploads", exist_ok=True)'],
)  # fmt: skip
def test_an_app_that_writes_into_its_folder(found: Found, line: str) -> None:
    files = {"requirements.txt": "flask\n", "app.py": f"import os, sqlite3\n{FLASK}{line}\n"}
    assert found(files).writes
    assert not found({"requirements.txt": "flask\n", "app.py": FLASK}).writes
    assert not found(
        {"requirements.txt": "flask\n", "app.py": FLASK + 'URL = "sqlite:////data/x.db"\n'}
    ).writes


@pytest.mark.parametrize(
    "line", ["from dotenv import load_dotenv", "import environ", "from decouple import config"]
)
def test_settings_in_a_file_that_no_image_holds(found: Found, line: str) -> None:
    files = {"requirements.txt": "flask\n", "app.py": FLASK}
    assert WITHOUT_ENV_FILE not in found(files).decisions
    assert WITHOUT_ENV_FILE in found({**files, "app.py": f"{line}\n{FLASK}"}).decisions


def test_what_the_owner_says_counts(found: Found) -> None:
    files = {"requirements.txt": "flask\n", "app.py": FLASK}
    profile = found(
        files, start="flask run", port=9000, version="3.11", env={"A": "b"}, packages=("libmagic1",)
    )
    assert profile.start == ("-m", "flask", "run", "--host", "0.0.0.0", "--port", "9000")
    assert (profile.port, profile.version, profile.env["A"]) == (9000, "3.11", "b")
    assert profile.run_packages == ("libmagic1",)
    assert found(files, package="app:app").start[-1] == "app:app"


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"analysis.ipynb": "{}"}, UnsupportedAppError, "notebooks"),
        ({"requirements.txt": "x @ file:///home/conda/x\n", "main.py": "print()"}, UnsupportedAppError, "machine"),
        ({"requirements.txt": "six\n", "Procfile": "web: bash start.sh\n"}, StartError, "start.sh|bash"),
        ({"requirements.txt": "six\n", "lib.py": "def f():\n    pass\n", "lib2.py": ""}, StartError, "no module"),
        (
            {"requirements.txt": "flask\n", "a1.py": FLASK, "b1.py": FLASK},
            AmbiguousAppError,
            "a1:app, b1:app",
        ),
        (
            {"requirements.txt": "", "a1.py": "if __name__ == '__main__':\n  x()\n",
             "b1.py": "if __name__ == '__main__':\n  x()\n"},
            AmbiguousAppError,
            "a1.py, b1.py",
        ),
        (
            {"server.py": 'from http.server import HTTPServer\nHTTPServer(("127.0.0.1", 8000), None).serve_forever()\n'},
            StartError,
            "127.0.0.1 only",
        ),
        ({"runtime.txt": "python-2.7.18\n", "requirements.txt": "six\n", "main.py": "print()\n"}, VersionError, "2.7"),
        ({"main.py": "import nobody_knows_this\n"}, StartError, "nobody_knows_this"),
        ({"requirements.txt": "pandas==1.4.3\n", "main.py": "print()\n"}, VersionError, "pandas 1.4.3"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_says_why(
    make_tree: MakeTree, files: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        detect(make_tree(files))
    assert raised.value.hint  # type: ignore[attr-defined]


def test_another_tools_file_decides_what_the_sources_do_not(found: Found) -> None:
    files = {"requirements.txt": "flask\ngunicorn\n", "a1.py": FLASK, "b1.py": FLASK}
    profile = found(
        {**files, "render.yaml": "services:\n  - type: web\n    startCommand: gunicorn b1:app\n"}
    )
    assert profile.start[-1] == "b1:app"
    profile = found({**files, "Dockerfile": 'FROM x\nCMD ["gunicorn", "a1:app"]\n'})
    assert profile.start[-1] == "a1:app"


@pytest.mark.parametrize(
    "files", [{"package.json": "{}", "tool.py": "print()\n"}, {"README.md": "x"}]
)
def test_what_is_no_python_app(make_tree: MakeTree, files: dict[str, str]) -> None:
    assert app.detect(AppFolder(make_tree(files))) is None

"""What is found out about a Python app from its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from laststage.detect.errors import (
    AmbiguousAppError,
    StartError,
    UnsupportedAppError,
    VersionError,
)
from laststage.detect.files import AppFolder
from laststage.detect.folder import detect
from laststage.detect.python import app
from laststage.detect.python.profile import PythonProfile
from laststage.detect.settings import AppSettings

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Found = Callable[..., PythonProfile]

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"
FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n"
GUNICORN = ("-m", "gunicorn", "--worker-tmp-dir", "/dev/shm", "--threads", "4")


@pytest.fixture
def found(make_tree: MakeTree) -> Found:
    """Return a function that writes an app's files and gives its profile."""

    def look(files: Mapping[str, str | bytes], **said: object) -> PythonProfile:
        profile = detect(make_tree(files), AppSettings(**said))  # type: ignore[arg-type]
        assert isinstance(profile, PythonProfile)
        return profile

    return look


def why(profile: PythonProfile) -> str:
    return "\n".join(f"{one.what}: {one.why}" for one in profile.decisions)


STARTS: dict[str, tuple[dict[str, str], tuple[str, ...], int]] = {
    "flask with gunicorn": (
        {"requirements.txt": "flask\ngunicorn\n", "main.py": FLASK},
        (*GUNICORN, "main:app"),
        8000,
    ),
    "flask in a package, by a factory": (
        {
            "requirements.txt": "flask\n",
            "shop/__init__.py": "from flask import Flask\n\ndef create_app(test=None):\n"
            "    app = Flask(__name__)\n    return app\n",
        },
        (*GUNICORN, "shop:create_app()"),
        8000,
    ),
    "a factory called in wsgi.py goes before the package": (
        {
            "requirements.txt": "flask\n",
            "shop/__init__.py": "import flask\n\ndef create_app():\n    return flask.Flask(__name__)\n",
            "wsgi.py": "from shop import create_app\n\napp = create_app()\n",
        },
        (*GUNICORN, "wsgi:app"),
        8000,
    ),
    "the module that imports the views goes before the bare object": (
        {
            "requirements.txt": "flask\n",
            "hello/__init__.py": FLASK,
            "hello/views.py": "from . import app\n",
            "startup.py": "from hello import app\nimport hello.views\n",
        },
        (*GUNICORN, "startup:app"),
        8000,
    ),
    "the port that the app names": (
        {
            "requirements.txt": "flask\n",
            "app.py": FLASK + 'if __name__ == "__main__":\n    app.run(host="0.0.0.0", port=5050)\n',
        },
        (*GUNICORN, "app:app"),
        5050,
    ),
    "a port by way of a name and the environment": (
        {
            "requirements.txt": "flask\n",
            "app.py": "import os\n"
            + FLASK
            + 'port = int(os.environ.get("PORT", 4000))\nif __name__ == "__main__":\n    app.run(port=port)\n',
        },
        (*GUNICORN, "app:app"),
        4000,
    ),
    "flask and waitress": (
        {"requirements.txt": "flask\nwaitress\n", "app.py": FLASK},
        ("-m", "waitress", "--listen=0.0.0.0:8000", "app:app"),
        8000,
    ),
    "flask-socketio": (
        {"requirements.txt": "flask\nflask-socketio\neventlet\ngunicorn\n", "app.py": FLASK},
        ("-m", "gunicorn", "--worker-tmp-dir", "/dev/shm", "--worker-class", "eventlet",
         "--workers", "1", "app:app"),
        8000,
    ),
    "fastapi": (
        {"requirements.txt": "fastapi\nuvicorn\n", "app/__init__.py": "", "app/main.py": FASTAPI},
        ("-m", "uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"),
        8000,
    ),
    "sources in src": (
        {"requirements.txt": "fastapi[standard]\n", "src/main.py": FASTAPI},
        ("-m", "uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"),
        8000,
    ),
    "quart brings hypercorn": (
        {"requirements.txt": "quart\n", "app.py": "import quart\n\napp = quart.Quart(__name__)\n"},
        ("-m", "hypercorn", "--bind", "0.0.0.0:8000", "app:app"),
        8000,
    ),
    "fasthtml gives the app first": (
        {
            "requirements.txt": "python-fasthtml\n",
            "main.py": "from fasthtml.common import *\n\napp, rt = fast_app()\nserve()\n",
        },
        ("-m", "uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"),
        8000,
    ),
    "dash is served through its Flask": (
        {"requirements.txt": "dash\n", "app.py": "import dash\n\napp = dash.Dash()\nserver = app.server\n"},
        (*GUNICORN, "app:server"),
        8000,
    ),
    "sanic has its own server": (
        {"requirements.txt": "sanic\n", "server.py": 'from sanic import Sanic\n\napp = Sanic("x")\n'},
        ("-m", "sanic", "server:app", "--host=0.0.0.0", "--port=8000", "--single-process"),
        8000,
    ),
    "aiohttp runs itself": (
        {
            "requirements.txt": "aiohttp\n",
            "main.py": "from aiohttp import web\n\napp = web.Application()\n"
            'if __name__ == "__main__":\n    web.run_app(app, port=9000)\n',
        },
        ("main.py",),
        9000,
    ),
    "tornado without a list of dependencies": (
        {
            "hello.py": "import tornado.web\nfrom tornado.options import define, options\n"
            'define("port", default=8888)\napp = tornado.web.Application([])\napp.listen(options.port)\n'
        },
        ("hello.py",),
        8888,
    ),
    "http.server": (
        {
            "server.py": "import os\nfrom http.server import HTTPServer\n"
            'port = int(os.getenv("PORT", "80"))\nHTTPServer(("", port), None).serve_forever()\n'
        },
        ("server.py",),
        8000,
    ),
    "a WSGI function": (
        {"requirements.txt": "gunicorn\n", "app.py": "def application(environ, start_response):\n    return []\n"},
        (*GUNICORN, "app:application"),
        8000,
    ),
    "streamlit": (
        {"requirements.txt": "streamlit\n", "streamlit_app.py": "import streamlit as st\n\nst.title('x')\n"},
        ("-m", "streamlit", "run", "streamlit_app.py", "--server.port=8501",
         "--server.address=0.0.0.0", "--server.headless=true", "--browser.gatherUsageStats=false"),
        8501,
    ),
    "a cloud function": (
        {"requirements.txt": "functions-framework==3.*\n", "main.py": "def hello(request):\n    return 'x'\n"},
        ("-m", "functions_framework", "--target=hello", "--host=0.0.0.0", "--port=8080"),
        8080,
    ),
    "a package with __main__": (
        {"requirements.txt": "", "tool/__init__.py": "", "tool/__main__.py": "print('x')\n"},
        ("-m", "tool"),
        0,
    ),
    "a folder with __main__ that is no package": (
        {"requirements.txt": "", "my-tool/__main__.py": "print('x')\n"},
        ("my-tool",),
        0,
    ),
    "a module within a package": (
        {
            "requirements.txt": "",
            "chat/__init__.py": "",
            "chat/main.py": 'if __name__ == "__main__":\n    print()\n',
        },
        ("-m", "chat.main"),
        0,
    ),
    "the Procfile": (
        {
            "requirements.txt": "flask\ngunicorn\n",
            "Procfile": "web: gunicorn --bind :$PORT --workers 1 main:app\nrelease: ./migrate.sh\n",
            "main.py": FLASK,
        },
        ("-m", "gunicorn", "--worker-tmp-dir", "/dev/shm", "--bind", ":8000", "--workers", "1", "main:app"),
        8000,
    ),
    "a Procfile with a settings file that binds a port": (
        {
            "requirements.txt": "flask\ngunicorn==19.9.0\n",
            "Procfile": "web: gunicorn --config conf.py app:app\n",
            "conf.py": 'bind = "0.0.0.0:8081"\n',
            "app.py": FLASK,
        },
        ("-m", "gunicorn.app.wsgiapp", "--worker-tmp-dir", "/dev/shm", "--config", "conf.py", "app:app"),
        8081,
    ),
    "a Procfile with a server of the standard library": (
        {"requirements.txt": "six\n", "Procfile": "web: python -m http.server $PORT\n"},
        ("-m", "http.server", "8000"),
        8000,
    ),
    "litestar lists no server": (
        {"requirements.txt": "litestar\n", "app.py": "from litestar import Litestar\n\napp = Litestar([])\n"},
        ("-m", "uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"),
        8000,
    ),
    "a Procfile that migrates first": (
        {
            "requirements.txt": "fastapi\nuvicorn\n",
            "Procfile": "web: alembic upgrade head && uvicorn main:app --reload --host localhost\n",
            "main.py": FASTAPI,
        },
        ("-m", "uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"),
        8000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STARTS)
def test_how_it_starts(found: Found, case: str) -> None:
    files, start, port = STARTS[case]
    profile = found(files)
    assert (profile.start, profile.port) == (start, port)


def test_a_program_starts_by_its_console_script(found: Found) -> None:
    profile = found(
        {
            "pyproject.toml": '[project]\nname = "tool"\nversion = "1"\n'
            '[project.scripts]\ntool = "tool:main"\n[build-system]\nrequires = ["hatchling"]\n',
            "src/tool/__init__.py": "def main():\n    print()\n",
        }
    )
    assert profile.is_program
    assert profile.start == ("tool",)
    assert profile.is_package
    assert profile.is_only_package


def test_an_app_without_a_server_gets_one_and_is_told(found: Found) -> None:
    profile = found({"requirements.txt": "flask\n", "app.py": FLASK})
    assert profile.more == ("gunicorn==23.0.0",)
    assert "gunicorn==23.0.0 is added" in why(profile)
    assert found({"requirements.txt": "Flask\nGunicorn\n", "app.py": FLASK}).more == ()


def test_a_server_that_starts_at_import_is_kept_and_told(found: Found) -> None:
    profile = found(
        {"requirements.txt": "flask\n", "app.py": FLASK + 'app.run(host="0.0.0.0", port=8080)\n'}
    )
    assert (profile.start, profile.port, profile.more) == (("app.py",), 8080, ())
    assert "development server: app.py:4 starts it" in why(profile)


def test_a_name_within_another_is_not_that_package(found: Found) -> None:
    profile = found({"requirements.txt": "flask\ngunicorn-color\n", "app.py": FLASK})
    assert profile.more == ("gunicorn==23.0.0",)


DJANGO = {
    "requirements.txt": "django\ngunicorn\nwhitenoise\n",
    "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")\n',
    "site1/__init__.py": "",
    "site1/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
}


def test_django(found: Found) -> None:
    settings = (
        'import os\nSECRET_KEY = os.environ["SECRET_KEY"]\nDEBUG = os.environ.get("DEBUG", "")\n'
        'WSGI_APPLICATION = "site1.wsgi.application"\nSTATIC_ROOT = "x"\nALLOWED_HOSTS = []\n'
        'NAME = os.environ.get("NAME")\nDATABASES = {"x": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "db"}}\n'
    )
    profile = found({**DJANGO, "site1/settings.py": settings})
    assert profile.start == (*GUNICORN, "site1.wsgi:application")
    assert (profile.manage, profile.static) == ("manage.py", "yes")
    assert set(profile.static_env) == {"SECRET_KEY"}
    assert profile.writes
    for said in (
        "migrations are not run at start",
        "ALLOWED_HOSTS is empty",
        "SECRET_KEY must be set",
    ):
        assert said in why(profile)


@pytest.mark.parametrize(
    ("line", "static"),
    [("STATIC_ROOT = None", "no"), ("if not DEBUG:\n    STATIC_ROOT = 'x'", "if-set"), ("", "no")],
)
def test_static_files_are_collected_where_there_is_a_place(
    found: Found, line: str, static: str
) -> None:
    assert found({**DJANGO, "site1/settings.py": f"{line}\nX = 1\n"}).static == static


def test_channels_are_served_by_daphne(found: Found) -> None:
    files = {
        **DJANGO,
        "requirements.txt": "django\nchannels\ndaphne\n",
        "site1/settings.py": 'ASGI_APPLICATION = "site1.asgi.application"\n',
        "site1/asgi.py": "application = None\n",
    }
    profile = found(files)
    assert profile.start[:2] == ("-m", "daphne")
    assert profile.start[-1] == "site1.asgi:application"


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


def test_what_the_owner_says_counts(found: Found) -> None:
    files = {"requirements.txt": "flask\n", "app.py": FLASK}
    profile = found(
        files, start="flask run", port=9000, version="3.11", env={"A": "b"}, packages=("libmagic1",)
    )
    assert profile.start == ("-m", "flask", "run", "--host", "0.0.0.0", "--port", "9000")
    assert (profile.port, profile.version, profile.env["A"]) == (9000, "3.11", "b")
    assert profile.run_packages == ("libmagic1",)
    assert found(files, package="app:app").start[-1] == "app:app"


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

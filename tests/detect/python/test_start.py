"""How a Python app starts."""

from __future__ import annotations

import pytest

from .apps import FLASK, GUNICORN, why
from .conftest import Found

FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n"


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

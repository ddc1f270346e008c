"""What is found out about a Django site."""

from __future__ import annotations

import pytest

from .apps import GUNICORN, why
from .conftest import Found

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

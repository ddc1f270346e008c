"""Parts of Python apps, as the tests write them."""

from __future__ import annotations

from laststage.detect.python.profile import PythonProfile

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"
GUNICORN = ("-m", "gunicorn", "--worker-tmp-dir", "/dev/shm", "--threads", "4")


def why(profile: PythonProfile) -> str:
    return "\n".join(f"{one.what}: {one.why}" for one in profile.decisions)

"""Front ends that a Python server serves and Node builds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from laststage.detect.folder import detect
from laststage.detect.python.profile import PythonProfile

MakeTree = Callable[[Mapping[str, str | bytes]], str]
SITE = json.dumps({"name": "site", "scripts": {"build": "vite build"}})
FLASK = "import os\nfrom pathlib import Path\nfrom flask import Flask\n"


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ("app.py", "'site/dist'"),
        ("app.py", "os.path.join(os.path.dirname(__file__), 'site', 'dist')"),
        ("api/app.py", "'../site/dist'"),
        ("api/app.py", "Path(__file__).parent.parent / 'site' / 'dist'"),
        ("api/app.py", 'str(Path(__file__).resolve().parents[1].joinpath("site", "dist"))'),
    ],
)
def test_where_it_is_served_from(make_tree: MakeTree, at: str, place: str) -> None:
    source = f"{FLASK}app = Flask(__name__, static_folder={place})\n"
    files = {"requirements.txt": "flask\n", at: source, "site/package.json": SITE}
    found = detect(make_tree(files))
    assert isinstance(found, PythonProfile)
    assert found.frontend
    assert found.frontend.served == ("site/dist",)
    built = detect(make_tree({**files, "site/dist/index.html": ""}))
    assert isinstance(built, PythonProfile)
    assert built.frontend is None

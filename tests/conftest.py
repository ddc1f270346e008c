"""What the tests of several packages share: stores, trees as dictionaries, golden files."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from laststage.store.root import Store

# how long an example takes says more about the machine than about the code
settings.register_profile("laststage", deadline=None)
settings.load_profile("laststage")


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # a folder's own may have it already
        parser.addoption("--update-golden", action="store_true", help="rewrite expected files")
        parser.addoption(
            "--as",
            choices=("root", "ordinary", "alone"),
            default="root",
            dest="run_as",
            help="who builds in integration tests: root, an ordinary user with subordinate ids, "
            "or one without any",
        )
        parser.addoption(
            "--packages", metavar="FOLDER",
            help="where integration tests find Debian's packages of an earlier run, and leave theirs",
        )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have the tests' folders where another user can get at them, if another user builds."""
    if config.getoption("run_as") != "root" and not config.option.basetemp:
        folder = tempfile.mkdtemp(prefix="laststage-tests-")
        os.chmod(folder, 0o755)
        config.option.basetemp = f"{folder}/tests"
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[str], Store]:
    """Return what makes an empty store in a folder of that name."""

    def make(name: str) -> Store:
        store = Store(str(tmp_path / name))
        store.prepare()
        return store

    return make


@pytest.fixture
def store(make_store: Callable[[str], Store]) -> Store:
    """Return an empty store."""
    return make_store("store")


@pytest.fixture(params=["pipe", "endless", "folder", "large"])
def no_text(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Return what lays down, where a file of text should be, something that is none."""

    def lay(path: Path) -> None:
        match request.param:
            case "pipe":
                os.mkfifo(path)
            case "endless":
                path.symlink_to("/dev/zero")
            case "folder":
                path.mkdir()
            case "large":
                path.touch()
                os.truncate(path, 1 << 33)

    return lay


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], str]:
    """Return a function that writes files, given as path and content, into a new folder."""
    count = 0

    def make(files: Mapping[str, str | bytes]) -> str:
        nonlocal count
        count += 1
        root = tmp_path / f"tree{count}"
        root.mkdir()
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(root)

    return make


@pytest.fixture
def dump_tree() -> Callable[[str], dict[str, str]]:
    """Return a function that tells what is below a folder: ``{"a/b": "file 0644 content"}``."""

    def dump(root: str) -> dict[str, str]:
        found = {}
        for folder, folders, files in os.walk(root):
            for name in sorted(folders + files):
                full = os.path.join(folder, name)
                status = os.lstat(full)
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                match stat.S_IFMT(status.st_mode):
                    case stat.S_IFLNK:
                        what = f"link {os.readlink(full)}"
                    case stat.S_IFDIR:
                        what = f"dir {mode}"
                    case stat.S_IFREG:
                        content = Path(full).read_bytes().decode("utf-8", "replace")
                        what = f"file {mode} {content}".rstrip()
                    case stat.S_IFCHR if status.st_rdev == 0:
                        what = "whiteout"
                    case kind:
                        what = f"{kind:o} {mode}"
                found[os.path.relpath(full, root)] = what
        return dict(sorted(found.items()))

    return dump


class Golden:
    """Compares with a file, or rewrites it."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, path: Path, text: str) -> None:
        if self._update:
            path.write_text(text)
        assert path.is_file(), "no expected file: run with --update-golden and read what it writes"
        assert text == path.read_text()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return what compares with golden files; `pytest --update-golden` writes them anew."""
    return Golden(update=bool(request.config.getoption("--update-golden", default=False)))

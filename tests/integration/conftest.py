"""One store for the whole session, the command line as people run it, and images read by hand.

Nothing here asks laststage what it wrote: layers and documents are read with the standard library.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pytest

from laststage.store.root import Store

from .docker import Docker, docker_in
from .images import Image
from .mirror import TamperingMirror, real_mirrors
from .people import lacking, person
from .serving import Server, running

EXAMPLES = Path(__file__).parents[2] / "examples"
_PASSED_ON = (
    "CURL_CA_BUNDLE", "LANG", "LASTSTAGE_CA", "LASTSTAGE_MIRROR", "LASTSTAGE_SECURITY_MIRROR",
    "PATH", "PYTHONPATH", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
    "NO_PROXY",
)  # fmt: skip


def unavailable(reason: str) -> NoReturn:
    """Skip for *reason*; in CI, where everything is there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must not skip this: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """See to it that this machine can build and run."""
    if sys.platform != "linux":
        unavailable("integration tests need Linux")
    if os.geteuid() != 0:
        unavailable("integration tests need root: they mount, and add a user")
    if not any(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in RUNTIMES):
        unavailable("integration tests need an OCI runtime: apt-get install runc")
    if real_mirrors() is None:
        unavailable("integration tests need a Debian mirror: set LASTSTAGE_MIRROR")


RUNTIMES = ("runc", "crun")
# Files that were found to be what their names say, and when they were written: the shared store grows
# large, and is looked at often.
_WHOLE: set[tuple[Path, int, int, int]] = set()


@dataclass(frozen=True)
class Laststage:
    """The command line over one store. Calling it runs it to its end."""

    store: Path
    home: Path
    prefix: tuple[str, ...] = ()
    python: str = sys.executable
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment of every command: this one's only where the machine needs it."""
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {
            **passed,
            "HOME": str(self.home),
            "LASTSTAGE_STORE": str(self.store),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.extra,
        }

    def line(self, *args: object) -> list[str]:
        """Return the command line for *args*."""
        return [*self.prefix, self.python, "-m", "laststage", *map(str, args)]

    def __call__(
        self,
        *args: object,
        expect: int | None = 0,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 240,
    ) -> subprocess.CompletedProcess[str]:
        """Run laststage with *args*; fail unless it exits with *expect*."""
        done = subprocess.run(
            self.line(*args),
            input=stdin,
            capture_output=True,
            text=True,
            env={**self.env, **(env or {})},
            cwd=self.home,
            timeout=timeout,
        )
        if expect is not None and done.returncode != expect:
            pytest.fail(
                f"laststage {' '.join(map(str, args))}: exit {done.returncode}, not {expect}\n"
                f"{done.stdout}{done.stderr}",
                pytrace=False,
            )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *args: object, **more: Any) -> subprocess.Popen[str]:
        """Start laststage in a process group of its own, as a shell would."""
        return subprocess.Popen(
            self.line(*args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
            cwd=self.home,
            process_group=0,
            **more,
        )

    def build(self, *args: object, **more: Any) -> dict[str, Any]:
        """Build with *args* and return the JSON report."""
        return json.loads(self("build", "--json", *args, **more).stdout)

    def on(self, store: Path) -> Laststage:
        """Return the same command line over another store."""
        return Laststage(store, self.home, self.prefix, self.python, self.extra)

    def tags(self) -> list[str]:
        """Return what the images of the store are called."""
        return [row["reference"] for row in json.loads(self("images", "--json").stdout)]

    def image(self, name: str) -> Image:
        """Return the image *name* of the store."""
        return Image.of_layout(self.store, name)

    def assert_clean(self) -> None:
        """Fail if anything half done is in the store, or anything under a name not its own."""
        root = self.store
        if not root.exists():
            return
        left = [path for path in (root / "staging").glob("*") if path.name != "state"]
        left += (root / "staging").glob("state/*")
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name != "fs"]  # whose files are an image's
            left += [Path(folder, name) for name in files if name.startswith(".new-")]
        assert not left, f"left behind: {left}"
        for kind, suffix in (("blobs/sha256", ""), ("debian/packages", ".deb")):
            for path in (root / kind).glob("*"):
                status = path.stat()
                state = (path, status.st_ino, status.st_size, status.st_mtime_ns)
                if state not in _WHOLE:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    assert path.name == digest + suffix, f"{path} holds {digest}"
                    _WHOLE.add(state)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder of this session, deleted at its end: stores are too large to be kept."""
    with tempfile.TemporaryDirectory(prefix="laststage-tests-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)  # an ordinary user of a test has a home in it
        yield Path(name)


@pytest.fixture(scope="session")
def run_as(request: pytest.FixtureRequest) -> str:
    """Who builds: root, an ordinary user, or one without subordinate ids (--as)."""
    return str(request.config.getoption("run_as"))


@pytest.fixture(autouse=True)
def _for_who_builds(request: pytest.FixtureRequest, run_as: str) -> None:
    """Let who builds read and write what the test makes; leave out what cannot be with one id."""
    marker = request.node.get_closest_marker("whoever")
    if marker is not None and run_as != "root":
        pytest.skip(f"is run as root and as a user by itself: {marker.args[0]}")
    if run_as == "root":
        return
    marker = request.node.get_closest_marker("many_ids")
    if marker is not None and run_as == "alone":
        pytest.skip(f"with one id {marker.args[0]}")
    laststage: Laststage = request.getfixturevalue("laststage")
    if "tmp_path" in request.fixturenames:
        folder: Path = request.getfixturevalue("tmp_path")
        owner = laststage.home.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        folder.chmod(0o755)


@pytest.fixture(scope="session")
def store(session_folder: Path) -> Path:
    """The store that most tests share. It is empty before the first build."""
    return session_folder / "store"


@pytest.fixture(scope="session")
def laststage(
    request: pytest.FixtureRequest, session_folder: Path, store: Path, run_as: str
) -> Iterator[Laststage]:
    """The command line over the shared store."""
    home = session_folder / "home"
    home.mkdir(exist_ok=True)
    who = Laststage(store, home)
    if run_as != "root":
        user: Laststage = request.getfixturevalue("ordinary")
        status = user.home.stat()
        os.chown(session_folder, status.st_uid, status.st_gid)
        request.getfixturevalue("tmp_path_factory").getbasetemp().chmod(0o755)
        who = user.on(store)
    kept = request.config.getoption("packages")
    if kept is None:
        yield who
        return
    held = store / "debian" / "packages"
    _copy_packages(Path(kept), held)
    owned(store, who.home)
    yield who
    _copy_packages(held, Path(kept))


def _copy_packages(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.deb"):
        if not (target / path.name).exists():
            shutil.copyfile(path, target / path.name)


@pytest.fixture(scope="session")
def calculator(laststage: Laststage) -> dict[str, Any]:
    """The report of the calculator's first build, which makes the bases."""
    return laststage.build("-t", "calculator", EXAMPLES / "go-calculator")


@pytest.fixture(scope="session")
def web(laststage: Laststage, calculator: dict[str, Any]) -> dict[str, Any]:
    """The report of the web server's first build."""
    return laststage.build("-t", "web", EXAMPLES / "go-web")


@pytest.fixture(scope="session")
def small(laststage: Laststage, calculator: dict[str, Any], session_folder: Path) -> Laststage:
    """The command line over a store with the calculator and nothing else, small enough to copy."""
    own = laststage.on(session_folder / "small")
    lend_packages(laststage, calculator, own)
    assert (
        own.build("-t", "calculator", EXAMPLES / "go-calculator")["digest"]
        == (calculator["digest"])
    )
    return own


def lend_packages(laststage: Laststage, report: Mapping[str, Any], other: Laststage) -> None:
    """Give the store of *other* the packages with which *report* was made, to save a download."""
    source, target = (one.store / "debian" / "packages" for one in (laststage, other))
    target.mkdir(parents=True, exist_ok=True)
    for base in report["bases"]:
        for package in base["packages"]:
            name = f"{package['digest'].removeprefix('sha256:')}.deb"
            shutil.copyfile(source / name, target / name)
    owned(other.store, other.home)


@pytest.fixture
def fresh(laststage: Laststage, tmp_path: Path) -> Iterator[Laststage]:
    """The command line over a store of the test's own, empty."""
    own = laststage.on(tmp_path / "store")
    yield own
    shutil.rmtree(own.store, ignore_errors=True)


@pytest.fixture
def own(make_store: Callable[[str], Store]) -> Store:
    """A store of the test's own."""
    return make_store("own")


@pytest.fixture
def other(make_store: Callable[[str], Store]) -> Store:
    """Somebody else's store."""
    return make_store("other")


@pytest.fixture
def app(laststage: Laststage, tmp_path: Path) -> Path:
    """A copy of the calculator to change."""
    folder = Path(shutil.copytree(EXAMPLES / "go-calculator", tmp_path / "app"))
    owned(folder, laststage.home)
    return folder


@pytest.fixture
def go_program(tmp_path: Path) -> Callable[[str], Path]:
    """Return what makes a Go module of one source text."""

    def make(source: str) -> Path:
        folder = tmp_path / "program"
        folder.mkdir()
        (folder / "go.mod").write_text("module program\n\ngo 1.24\n")
        (folder / "main.go").write_text(source)
        return folder

    return make


@pytest.fixture(scope="session")
def kept_files() -> dict[str, bytes]:
    """What tampering mirrors fetched so far."""
    return {}


@pytest.fixture
def tampering(kept_files: dict[str, bytes]) -> Callable[[str], TamperingMirror]:
    """Return what makes a mirror that flips a byte in files with such a path."""
    return lambda flip: TamperingMirror(kept_files, flip)


@pytest.fixture(scope="session")
def skopeo() -> Callable[..., str]:
    """Return what runs skopeo and returns its output."""
    if shutil.which("skopeo") is None:
        unavailable("needs skopeo: apt-get install skopeo")

    def run(*args: object) -> str:
        line = ["skopeo", *map(str, args)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def docker(session_folder: Path) -> Iterator[Docker]:
    """A Docker daemon of one test file's own."""
    lacking = [name for name in ("dockerd", "docker") if shutil.which(name) is None]
    if lacking:
        unavailable(f"needs {', '.join(lacking)}: apt-get install docker.io")
    with docker_in(session_folder / "docker") as daemon:
        yield daemon


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve(laststage: Laststage, free_port: int) -> Iterator[Callable[..., Server]]:
    """Return what starts an image of a server and waits for its first answer; see `running`."""
    with ExitStack() as stack:
        yield lambda name, *arguments, env=(): stack.enter_context(
            running(laststage, name, free_port, *arguments, env=env)
        )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return what makes a file system of the size given, or resizes it."""
    folder = tmp_path / "disk"

    def sized(size: str) -> Path:
        options = f"remount,size={size}" if folder.exists() else f"size={size}"
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        return folder

    yield sized
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def ordinary(session_folder: Path, library: Path, run_as: str) -> Iterator[Laststage]:
    """The command line as an ordinary user with subordinate ids, a home, and a store of its own."""
    home = session_folder / "tester"
    with person(f"laststage-{os.getpid()}", home, has_ids=run_as != "alone") as prefix:
        yield _of_user(home, prefix, library)


@pytest.fixture(scope="session")
def alone(session_folder: Path, library: Path) -> Iterator[Laststage]:
    """The command line as an ordinary user without subordinate ids."""
    home = session_folder / "alone"
    with person(f"alone-{os.getpid()}", home, has_ids=False) as prefix:
        yield _of_user(home, prefix, library)


def _of_user(home: Path, prefix: tuple[str, ...], library: Path) -> Laststage:
    extra = {"PYTHONPATH": str(library)}
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    users = [
        Laststage(home / "store", home, prefix, python, extra)
        for python in (sys.executable, system)
    ]
    user = next((u for u in users if u("--version", expect=None).returncode == 0), None)
    if user is None:
        unavailable(f"an ordinary user can run neither {sys.executable} nor {system}")
    return user


@pytest.fixture(scope="session")
def library(session_folder: Path) -> Path:
    """A copy of laststage and what it imports, which every user can read."""
    if lacking():
        unavailable(f"needs {lacking()}: apt-get install passwd util-linux uidmap")
    return library_in(session_folder)


def library_in(folder: Path) -> Path:
    """Return a copy of laststage and what it imports, which every user can read."""
    target = folder / "library"
    names = ["deflate", "laststage", "msgspec", "pysequoia", "urllib3"]
    if sys.version_info < (3, 14):
        names.append("backports.zstd")
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        if spec.submodule_search_locations:
            shutil.copytree(os.path.dirname(spec.origin), target / name.replace(".", "/"))
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(spec.origin, target)
    return target


def owned(path: Path, like: Path) -> None:
    """Give *path* and what is in it the owner of *like*."""
    status = like.stat()
    for below in (path, *path.rglob("*")):
        os.chown(below, status.st_uid, status.st_gid, follow_symlinks=False)


@pytest.fixture(scope="session")
def give() -> Callable[[Path, Path], None]:
    """Return what gives a folder the owner of another."""
    return owned


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of the examples."""
    return EXAMPLES


@pytest.fixture(scope="session")
def runtime_names() -> Sequence[str]:
    """What OCI runtimes are called."""
    return RUNTIMES


@pytest.fixture
def built(laststage: Laststage, tmp_path: Path) -> Callable[..., Built]:
    """Return what builds the text of a Dockerfile over the folder `context`, as `options`."""
    (tmp_path / "context").mkdir()

    def build(text: str, *flags: object, expect: int = 0, **env: str) -> Built:
        (tmp_path / "Dockerfile").write_text(text)
        line = ("-t", "options", "-f", tmp_path / "Dockerfile", *flags, tmp_path / "context")
        return Built(laststage, laststage("build", *line, expect=expect, env=env))

    return build


@dataclass(frozen=True)
class Built:
    """A build: what it said, and its image."""

    laststage: Laststage
    done: subprocess.CompletedProcess[str]

    @cached_property
    def image(self) -> Image:
        """The image, read before another build takes its name."""
        return self.laststage.image("options:latest")

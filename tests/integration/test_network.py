"""The network of steps: the host's, none, or one that reaches what the host does but not the host."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import unavailable
from .hostile.steps import FRESH, HEAD, SAID, Steps, hostile_context

pytestmark = [pytest.mark.integration, pytest.mark.whoever("it is another for root and for a user")]

# the device node, for everybody, as on most machines
_TUN = (
    "mount -t tmpfs tun {0} && mknod {0}/tun c 10 200 && chmod 666 {0}/tun && mkdir -p /dev/net && "
    'touch /dev/net/tun && mount --bind {0}/tun /dev/net/tun && exec "$@"'
)


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the host\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    """The port of a service of the host, on its loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def context(session_folder: Path) -> Path:
    for tool in ("gcc", "slirp4netns"):
        if shutil.which(tool) is None:
            unavailable(f"needs {tool}: apt-get install gcc libc6-dev slirp4netns")
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("this kernel has no tun device")
    folder = hostile_context(session_folder / "network")
    (folder / "laststage.toml").write_text('network = "private"\n')
    return folder


@pytest.fixture(params=["root", "ordinary"])
def steps(request: pytest.FixtureRequest, context: Path, tmp_path: Path) -> Steps:
    own = request.getfixturevalue("laststage" if request.param == "root" else "ordinary")
    (tmp_path / "tun").mkdir()
    outer = ("unshare", "--mount", "sh", "-c", _TUN.format(tmp_path / "tun"), "sh")
    prefix = (*outer, *own.prefix)
    return Steps(type(own)(own.store, own.home, prefix, own.python, own.extra), context)


def test_a_private_network(steps: Steps, service: int) -> None:
    script = (
        f"for at in 127.0.0.1 10.0.2.2 localhost; do timeout 3 wget -q -O - http://$at:{service}/ 2> /dev/null "
        "| sed 's/^/> /'; done; grep ^nameserver /etc/resolv.conf | sed 's/^/> /';"
        "ip -4 -o addr | sed 's/^[0-9]*: *\\([a-z0-9]*\\) .*/> \\1/'; echo '> end'"
    )
    assert steps.said(script) == ["nameserver 10.0.2.3", "lo", "tap0", "end"]
    shared = steps.said(script, "--network", "host")
    assert shared[0] == "the host"
    assert "nameserver 10.0.2.3" not in shared


def test_it_reaches_what_the_host_reaches(steps: Steps) -> None:
    """By name and by address: a packet leaves, and an answer comes back."""
    [address] = _own_addresses()[:1] or [""]
    if not address:
        unavailable("needs a network beside the loopback")
    with ThreadingHTTPServer((address, 0), _Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://{address}:{server.server_address[1]}/"
        said = steps.said(f"timeout 5 wget -q -O - {url} | sed 's/^/> /'")
        server.shutdown()
    assert said == ["the host"]


def _own_addresses() -> list[str]:
    done = subprocess.run(["hostname", "-I"], capture_output=True, text=True)
    return [word for word in done.stdout.split() if "." in word]


def test_a_dockerfile_cannot_ask_for_the_hosts(steps: Steps) -> None:
    text = "RUN --network=host true\n"
    done = steps.build(text, *FRESH, expect=1)
    assert "--network=host" in done.stderr
    assert "does not share the host's network" in done.stderr
    steps.build(text, "--network", "host", *FRESH)


def test_none_for_all(steps: Steps) -> None:
    assert steps.said(
        "tail -n +3 /proc/net/dev | cut -d: -f1 | sed 's/^ */> /'", "--network", "none"
    ) == ["lo"]


def test_the_network_ends_with_the_build(laststage, context: Path, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(f"{HEAD}RUN echo '> here'; sleep 60\n")
    process = laststage.start("build", "--progress", "plain", "--no-cache", "-f", file, context)
    try:
        for line in process.stderr:
            if SAID.match(line):
                break
        assert _carriers(laststage.store)
        os.kill(process.pid, signal.SIGKILL)
        until = time.monotonic() + 10
        while _carriers(laststage.store) and time.monotonic() < until:
            time.sleep(0.05)
        assert _carriers(laststage.store) == []
    finally:
        process.kill()
        process.communicate()


def _carriers(store: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "slirp4netns" in line and str(store) in line:
            found.append(line)
    return found


def test_what_it_needs_is_said(laststage, context: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("crun", "runc"):
        found = shutil.which(name)
        if found:
            (tmp_path / "bin" / name).symlink_to(found)
    done = Steps(laststage, context).build(
        "RUN echo needs\n", "--no-cache", expect=1, env={"PATH": str(tmp_path / "bin")}
    )
    assert "slirp4netns" in done.stderr
    assert "--network=host" in done.stderr

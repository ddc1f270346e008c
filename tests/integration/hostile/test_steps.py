"""What a RUN step cannot do, tried for real: as root, and as an ordinary user."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from laststage.sandbox.confinement import has_scopes

from ..conftest import unavailable
from .steps import SAID, Steps

pytestmark = [pytest.mark.integration, pytest.mark.whoever("both try to get out")]

# calls that end otherwise than with EPERM
ANSWERS = {
    "clone3": "ENOSYS", "newer-467": "ENOSYS", "newer-600": "ENOSYS", "newer-32": "ENOSYS",
    "socket-unix": "OK", "socket-inet": "OK", "ptrace-own": "OK", "terminal": "ENOTTY",
}  # fmt: skip


def test_calls_that_no_step_may_make(steps: Steps) -> None:
    rows = [line.split() for line in steps.said("probe calls; probe doors")]
    assert len(rows) > 50
    personalities = [answer for name, answer in rows if name == "personality"]
    assert personalities == ["EPERM", "OK"]
    for name, answer in rows:
        if name == "name_to_handle_at":
            assert answer != "OK"
        elif name != "personality":
            assert answer == ANSWERS.get(name, "EPERM"), name


def test_what_a_step_is_given(steps: Steps) -> None:
    """No open file but its streams, no terminal, no capability beyond Docker's, usual signals."""
    said = steps.said(
        "probe descriptors; echo '> umask' $(umask); echo '> cgroups' $(cut -d: -f3 /proc/self/cgroup);"
        "grep -E '^(Sig(Ign|Blk)|Cap|NoNewPrivs|Seccomp:)' /proc/self/status | sed 's/^/> /';"
        "echo '>' processes $(ls -d /proc/[0-9]* | wc -l);"
        "echo '> devices' $(find /dev -type b -o -type c | sort)"
    )
    facts = {line.partition(" ")[0].rstrip(":").split("\t")[0].rstrip(":"): line for line in said}
    assert not [line for line in said if line.startswith("open ")]
    assert facts["session"] == "session own"
    assert facts["terminal"] == "terminal 0"
    assert facts["umask"] == "umask 0022"
    assert set(facts["cgroups"].split()[1:]) == {"/"}
    fields = {line.split(":")[0]: line.split()[-1] for line in said if ":\t" in line}
    assert fields["SigIgn"] == fields["SigBlk"] == "0" * 16
    assert fields["CapInh"] == fields["CapAmb"] == "0" * 16
    assert {fields["CapEff"], fields["CapPrm"], fields["CapBnd"]} <= {
        "00000000a80425fb", "00000000a00425fb",
    }  # fmt: skip
    assert fields["NoNewPrivs"] == "0"  # sudo in a step must work
    assert fields["Seccomp"] == "2"
    assert int(facts["processes"].split()[1]) < 8
    usual = {"full", "null", "random", "tty", "urandom", "zero", "ptmx", "console"}
    names = {
        path.removeprefix("/dev/").removeprefix("pts/") for path in facts["devices"].split()[1:]
    }
    assert names <= usual


def test_nothing_of_the_kernel_can_be_written(steps: Steps) -> None:
    script = "".join(f"probe openable {path};" for path in ("/sys", "/proc/sys", "/proc/irq"))
    script += (
        "for file in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /sys/kernel/uevent_helper "
        "/sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent; do "
        "(echo x > $file) 2> /dev/null && echo \"> wrote $file\"; done; echo '> end'"
    )
    assert steps.said(script) == ["end"]


def test_what_the_kernel_tells_only_its_owner(steps: Steps) -> None:
    paths = "/proc/kcore /proc/keys /proc/timer_list /proc/interrupts /sys/firmware/*"
    assert steps.said(
        f"echo '> read' $(cat {paths} 2> /dev/null | wc -c); echo '> cgroups' $(ls /sys/fs/cgroup)"
    ) == ["read 0", "cgroups"]


def test_the_hosts_devices(steps: Steps) -> None:
    disk = os.stat("/").st_dev
    script = f"probe device b {os.major(disk)} {os.minor(disk)}; probe device c 1 1; probe device c 10 200"
    assert set(steps.said(script)) == {"device EPERM"}


@contextlib.contextmanager
def listening(address: str | bytes) -> Iterator[list[int]]:
    """Serve a socket at *address*; count who came."""
    came: list[int] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        server.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    server.accept()[0].close()
                    came.append(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield came
        finally:
            over.set()
            thread.join()


def test_an_abstract_socket_of_the_host(steps: Steps) -> None:
    if not has_scopes():
        unavailable("needs Landlock's scopes: Linux 6.12")
    name = f"laststage-test-{os.getpid()}"
    with listening(b"\0" + name.encode()) as came:
        assert steps.said(f"probe abstract {name}") == ["connect EPERM"]
        none = f"RUN --network=none probe abstract {name}\n"
        assert "connect ECONNREFUSED" in steps.build(none, "--no-cache-filter", "hostile").stderr
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(b"\0" + name.encode())  # it was there all the while
        time.sleep(0.3)
        assert came == [1]


def test_steps_still_reach_their_own_sockets(steps: Steps) -> None:
    script = "nc -ll -p 47311 -e echo yes & sleep 0.3; echo '>' $(nc 127.0.0.1 47311)"
    assert steps.said(f"{script}; kill $!", "--network", "host") == ["yes"]


def test_other_processes(steps: Steps) -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        other = process.pid
        said = steps.said(
            f"probe kill {other}; probe trace {other}; kill -9 {other}; kill -9 {os.getpid()};"
            f"echo '> see' $(ls -d /proc/{other} {os.getpid()} 2> /dev/null)"
        )
        assert said == ["kill ESRCH", "trace ESRCH", "see"]
        assert process.poll() is None
        process.kill()


def test_the_hosts_files_by_way_of_proc(steps: Steps, session_folder: Path) -> None:
    marker = session_folder / "marker"
    marker.write_text("the host's\n")
    ways = " ".join(f"/proc/*/{way}{marker}" for way in ("root", "cwd", "task/*/root", "fd/*"))
    ups = " ".join(f"{'../' * count}{str(marker)[1:]}" for count in range(1, 9))
    script = f"for file in {marker} {ways} {ups}; do [ -e $file ] && echo \"> $file\"; done; echo '> end'"
    assert steps.said(script) == ["end"]


@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("/proc/self/fd/{}", 7),
        ("/dev/fd/{}", 7),
        *(("/link", number) for number in (3, 7, 8, 9, 12)),
    ],
)
def test_a_working_directory_that_is_an_open_file(
    as_root: Steps, session_folder: Path, way: str, number: int
) -> None:
    """CVE-2024-21626: the runtime's own files, as a place to start from."""
    marker = session_folder / "marker"
    marker.write_text("the host's\n")
    before = f"RUN ln -s /proc/self/fd/{number} /link\n" if way == "/link" else ""
    text = f"{before}WORKDIR {way.format(number)}\nRUN cat {'../' * 12}{str(marker)[1:]}\n"
    done = as_root.build(text, expect=None)
    assert done.returncode == 1
    assert "the host's" not in done.stderr


def test_the_runtimes_own_program(as_root: Steps) -> None:
    """CVE-2019-5736: a step that is the runtime itself, in order to change it."""
    found = [Path(path) for name in ("runc", "crun") if (path := shutil.which(name))]
    before = [hashlib.sha256(path.read_bytes()).digest() for path in found]
    as_root.build('RUN ["/proc/self/exe", "--version"]\n', expect=None)
    as_root.said("for n in /proc/[0-9]*; do (echo x > $n/exe) 2> /dev/null; done", expect=None)
    assert [hashlib.sha256(path.read_bytes()).digest() for path in found] == before


def test_shared_memory_of_the_host(steps: Steps) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x1A57 + os.getpid()
    segment = libc.shmget(key, 4096, 0o1666)
    assert segment >= 0
    name = Path(f"/dev/shm/laststage-test-{os.getpid()}")
    name.write_text("the host's")
    try:
        said = steps.said(f"probe shm {key}; echo '>' $(ls /dev/shm /dev/mqueue)")
        assert said == ["shm ENOENT", "/dev/mqueue: /dev/shm:"]
    finally:
        libc.shmctl(segment, 0, None)
        name.unlink()


@pytest.mark.parametrize("user", ["0", "1000"])
def test_a_set_id_program_gets_no_more_than_a_step_has(steps: Steps, user: str) -> None:
    text = f"RUN cp /bin/probe /bin/set-id && chmod 4755 /bin/set-id\nUSER {user}\nRUN set-id identity\n"
    said = SAID.findall(steps.build(text, "--no-cache-filter", "hostile").stderr)
    assert said[0] == "user 0"
    assert said[1].split()[-1] in ("00000000a80425fb", "00000000a00425fb")
    assert said[2:] == ["unshare EPERM", "mount EPERM"]


def test_the_umask_of_who_builds_is_not_a_steps(as_root: Steps) -> None:
    own = as_root.laststage
    prefix = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    strict = Steps(type(own)(own.store, own.home, prefix), as_root.context)
    assert strict.said("umask | sed 's/^/> /'") == ["0022"]


def test_no_step_may_be_insecure(as_root: Steps) -> None:
    done = as_root.build("RUN --security=insecure true\n", expect=2)
    assert "--security=insecure is refused" in done.stderr

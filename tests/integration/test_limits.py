"""Limits of what a step may use: enforced by the kernel, or refused; never silently let go."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .hostile.steps import FRESH, Steps, hostile_context

pytestmark = [
    pytest.mark.integration,
    pytest.mark.whoever("root and a user may limit different things"),
]

EAT = "head -c 200m /dev/zero | tail | wc -c; exit 3"


@pytest.fixture(scope="module")
def context(session_folder: Path) -> Path:
    return hostile_context(session_folder / "limits")


@pytest.fixture
def steps(laststage, context: Path) -> Steps:
    return Steps(laststage, context)


def left_behind() -> list[Path]:
    return [
        *Path("/sys/fs/cgroup").glob("laststage-*"),
        *Path("/sys/fs/cgroup").glob("*/laststage-*"),
    ]


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_memory(steps: Steps, runtime: str) -> None:
    other = shutil.which("crun" if runtime == "runc" else "runc", path="/usr/sbin:/usr/bin:/sbin")
    assert other, "apt-get install runc crun"
    hide = f'mount --bind /dev/null {other} && exec "$@"'
    own = steps.laststage
    alone = type(own)(own.store, own.home, ("unshare", "--mount", "sh", "-c", hide, "sh"))
    before = set(left_behind())
    text = f"RUN {EAT}\n"
    done = Steps(alone, steps.context).build(text, "--memory", "40m", expect=1)
    assert "exit status 137" in done.stderr
    assert "hint: killed for using more than --memory 40m" in done.stderr
    without = steps.build(text, expect=1)
    assert "exit status 3" in without.stderr
    assert "--memory" not in without.stderr
    # whoever builds at the same time has cgroups as well, so only what stays counts
    assert not [path for path in set(left_behind()) - before if not list(path.glob("*/"))]


def test_memory_is_of_all_processes_together(steps: Steps) -> None:
    each = "head -c 30m /dev/zero | tail | { sleep 2; wc -c; } & "
    done = steps.build(f"RUN {each * 3} wait; exit 3\n", "-m", "50m", expect=1)
    assert "killed for using more than --memory 50m" in done.stderr


def test_processes(steps: Steps) -> None:
    bomb = "i=0; while [ $i -lt 60 ]; do sleep 2 & i=$((i+1)); done; echo '> all'; wait"
    assert steps.said(bomb) == ["all"]
    done = steps.build(f"RUN {bomb}\n", "--pids-limit", "20", *FRESH, expect=1)
    assert "can't fork: Resource temporarily unavailable" in done.stderr


def test_processors(steps: Steps) -> None:
    spin = "timeout 1 sh -c 'while :; do :; done'; cut -d' ' -f 16 /proc/$$/stat | sed 's/^/> /'"
    [ticks] = steps.said(spin, "--cpus", "0.2")
    assert 5 <= int(ticks) <= 45  # hundredths of a second of the one that passed
    listed = "grep Cpus_allowed_list /proc/self/status | sed 's/^/> /'"
    assert steps.said(listed, "--cpuset-cpus", "0") == ["Cpus_allowed_list:\t0"]


def test_the_limits_of_a_run(laststage, steps: Steps) -> None:
    steps.build('ENTRYPOINT ["/bin/sh", "-c"]\n')
    done = laststage("run", "-m", "40m", "hostile", EAT, expect=137)
    assert "killed for using more than --memory 40m" in done.stderr
    laststage("run", "hostile", "exit 4", expect=4)


def test_limits_are_in_no_key(steps: Steps) -> None:
    steps.build("RUN echo limited\n", "-m", "100m", "--cpus", "1", "--pids-limit", "100")
    assert (
        "CACHED"
        in steps.build("RUN echo limited\n", "-m", "200m").stderr.split("RUN echo limited")[1]
    )


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--memory", "1m"), "too little"), (("--memory", "many"), "not a size"),
        (("--cpus", "0"), "--cpus 0"), (("--cpus", "two"), "take a number"),
        (("--pids-limit", "0"), "not a number above 0"), (("--cpuset-cpus", "a"), "not a list"),
    ],
)  # fmt: skip
def test_limits_that_are_none(steps: Steps, flags: tuple[str, str], says: str) -> None:
    assert says in steps.build("RUN true\n", *flags, expect=2).stderr


def test_a_processor_that_is_not_there(steps: Steps) -> None:
    done = steps.build("RUN echo no such\n", "--cpuset-cpus", "4000", expect=1)
    assert "error[LS603]" in done.stderr
    assert "--cpuset-cpus 4000" in done.stderr


def test_an_ordinary_user_is_told(ordinary, context: Path) -> None:
    done = Steps(ordinary, context).build("RUN echo told\n", "--memory", "100m", expect=1)
    assert "error[LS603]" in done.stderr
    assert "--memory 100m" in done.stderr

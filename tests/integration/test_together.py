"""Several builds at once on one store: each right, each step done once, none waits for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import Laststage
from .local import Local, local_store
from .soundness import Soundness
from .test_interruption import wait_until
from .test_kills import digest_in, done

pytestmark = pytest.mark.integration

AT_ONCE = 8
SHARED = """\
FROM base AS one
RUN sleep 0.3; seq 1 1000 > /numbers
RUN sleep 0.3; sort -r /numbers > /sorted
FROM base AS two
RUN sleep 0.3; echo two > /two
COPY common /common
RUN cat /common /two > /three
FROM scratch
COPY --from=one /sorted /sorted
COPY --from=two /three /three
COPY own /own
"""
OWN = """\
FROM base
COPY own /own
RUN cat /own /own > /twice
RUN md5sum /twice > /sum
"""


@pytest.fixture
def local(fresh: Laststage, tmp_path: Path) -> Local:
    own = Laststage(fresh.store, fresh.home, extra={"SOURCE_DATE_EPOCH": "0"})
    return local_store(own, tmp_path / "local")


def together(local: Local, contexts: list[Path]) -> list[str]:
    """Build all *contexts* at once; return what each build said."""
    logs = [local.folder / f"{context.name}.log" for context in contexts]
    processes = []
    for context, log in zip(contexts, logs, strict=True):
        line = local.laststage.line(*local.line(context, "--json"))
        with log.open("wb") as file:
            processes.append(
                subprocess.Popen(line, stdout=file, stderr=file, env=local.laststage.env)
            )
    try:
        status = [process.wait(90) for process in processes]
    finally:
        for process in processes:
            process.kill()
    said = [log.read_text() for log in logs]
    assert status == [0] * len(contexts), "\n".join(said)
    return said


def contexts(local: Local, text: str) -> list[Path]:
    return [local.write(f"app{n}", text, own=f"{n}\n", common="common\n") for n in range(AT_ONCE)]


def test_a_step_that_several_need_is_done_once(local: Local) -> None:
    said = together(local, contexts(local, SHARED))
    ran = [step for text in said for step in done(text)]
    assert len(ran) == 4, ran
    assert len(set(ran)) == 4
    assert any("another build is doing this step: waiting for it" in text for text in said)
    for number in range(AT_ONCE):
        files = local.laststage.image(f"app{number}:latest").files
        assert files["own"] == f"{number}\n".encode()
        assert files["three"] == b"common\ntwo\n"
    sound = Soundness(local.laststage.store)
    sound.check()
    sound.check_nothing_is_left()
    # the same as one build by itself gives
    fresh = local_store(local.laststage.on(local.folder / "other"), local.folder)
    alone = fresh.laststage(*fresh.line(local.folder / "app3", "--json"))
    assert digest_in("\n" + alone.stdout) == digest_in(said[3])


def test_different_builds_do_not_disturb_each_other(local: Local) -> None:
    said = together(local, contexts(local, OWN))
    for number, text in enumerate(said):
        assert len(done(text)) == 2
        assert "waiting" not in text
        files = local.laststage.image(f"app{number}:latest").files
        assert files["twice"] == f"{number}\n".encode() * 2
    sound = Soundness(local.laststage.store)
    sound.check()
    sound.check_nothing_is_left()


def test_at_once_is_faster_than_in_turn(local: Local) -> None:
    """No lock is held for longer than it has to be. Steps that wait show that on any machine."""
    text = OWN.replace("RUN md5sum", "RUN sleep 0.8; md5sum")
    first = contexts(local, text)
    started = time.monotonic()
    for context in first:
        local.laststage(*local.line(context))
    in_turn = time.monotonic() - started
    for context in first:
        (context / "own").write_text(f"other {context.name}\n")
    started = time.monotonic()
    together(local, first)
    assert in_turn / (time.monotonic() - started) > 1.5


def test_who_runs_everything_again_waits_for_nobody(local: Local) -> None:
    context = local.write("slow", f"FROM base\nRUN echo run: begun; sleep 62.{os.getpid()}\n")
    first = local.laststage.start(*local.line(context))
    second = local.laststage.start(*local.line(context, "--no-cache"))
    try:
        for process in (first, second):
            assert process.stderr
            read = process.stderr.readline
            wait_until(lambda read=read: read().endswith(" begun\n"))  # type: ignore[misc]
    finally:
        for process in (first, second):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_one_of_two_is_killed(local: Local) -> None:
    """The other does the step that it has been waiting for, at once."""
    flag = local.folder / "flag"
    context = local.write(
        "slow",
        "FROM base\nRUN --mount=type=secret,id=x echo run: begun; sleep $(cat /run/secrets/x)\n",
    )
    flag.write_text(f"63.{os.getpid()}")
    line = local.line(context, "--secret", f"id=x,src={flag}")
    first = local.laststage.start(*line)
    assert first.stderr
    wait_until(lambda: first.stderr.readline().endswith(" begun\n"))
    flag.write_text("0")
    second = local.laststage.start(*line)
    assert second.stderr
    wait_until(lambda: "another build is doing this step" in second.stderr.readline())
    killed = time.monotonic()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    _, said = second.communicate(timeout=20)
    assert time.monotonic() - killed < 10
    assert second.returncode == 0, said
    assert "the other build did not finish it: doing it here" in said
    Soundness(local.laststage.store).check()


@pytest.mark.parametrize("cache", ["", "--mount=type=cache,sharing=locked,target=/cache "])
def test_waiting_can_be_interrupted(local: Local, cache: str) -> None:
    """It is waited for the step, or for its cache."""
    text = f"FROM base\nRUN {cache}echo run: begun; sleep 64.{os.getpid()}\n"
    context = local.write("slow", text)
    first = local.laststage.start(*local.line(context))
    assert first.stderr
    wait_until(lambda: first.stderr.readline().endswith(" begun\n"))
    if cache:
        context = local.write("other", text.replace("begun", "begun too"))
    second = local.laststage.start(*local.line(context))
    assert second.stderr
    sign = "RUN --mount" if cache else "another build is doing this step"
    wait_until(lambda: sign in second.stderr.readline())
    os.killpg(second.pid, signal.SIGINT)
    _, said = second.communicate(timeout=10)
    assert second.returncode == 130, said
    assert first.poll() is None
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=20)


def test_locked_caches_in_any_order(local: Local) -> None:
    """Two steps that want the same two caches, in the order that would let each wait for the other."""
    mount = "--mount=type=cache,sharing=locked,target=/{0},id={0}"
    both = [mount.format(name) for name in "ab"]
    found = []
    for number in range(4):
        words = " ".join(both if number % 2 else reversed(both))
        text = f"FROM base\nRUN {words} sleep 0.{number + 1}; echo {number} > /done\n"
        found.append(local.write(f"app{number}", text))
    for number, _ in enumerate(together(local, found)):
        assert local.laststage.image(f"app{number}:latest").files["done"] == f"{number}\n".encode()

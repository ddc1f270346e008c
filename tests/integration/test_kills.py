"""Killed at any moment, whatever it did: nothing is lost, nothing is half there, the next build works.

LASTSTAGE_KILLS says how often; the seed is shown when it fails, and LASTSTAGE_SEED sets it.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import Laststage
from .local import Local, local_store
from .registries import Served, serve
from .soundness import Soundness
from .test_cache import executed
from .test_interruption import command_lines, wait_until

pytestmark = pytest.mark.integration

MULTI = """\
FROM base AS one
RUN seq 1 20000 > /numbers
COPY file /file
RUN sort -r /numbers > /sorted && cat /file >> /sorted

FROM base AS two
WORKDIR /data
RUN --mount=type=cache,target=/cache cat /cache/* 2>/dev/null | wc -c; date > /cache/last; echo two > two
RUN for n in $(seq 300); do echo $n > file$n; done

FROM scratch
COPY --from=one /sorted /sorted
COPY --from=two /data /data
"""
STEPS = """\
FROM base
RUN echo 1 > /1
COPY file /file
RUN cat /file > /2
RUN head -c 3000000 /dev/zero > /3
RUN rm /1
USER 1000
"""
COPIES = """\
FROM scratch
COPY . /app/
"""
TEXTS = {"multi": MULTI, "steps": STEPS, "copies": COPIES}
VARIANTS = 2
KILLS = int(os.environ.get("LASTSTAGE_KILLS") or 25)
# what another session's program runs: the way of `laststage pull` and `push`
TRANSFER = """
import sys
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.workspace import Settings, Workspace
store, verb, source, target = sys.argv[1:]
workspace = Workspace(Settings(store=store))
if verb == "pull":
    workspace.registry().pull(Reference.parse(source), Platform.parse("linux/amd64"))
else:
    image = workspace.layout.resolve(source)
    workspace.registry().push(image, Reference.parse(target))
"""


@dataclass
class Action:
    """Something to kill: its command line, and how long it takes (s)."""

    name: str
    line: list[str]
    seconds: float = 0.0
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Arena:
    """A store, what is done with it, and what must come out."""

    local: Local
    registry: Served
    dice: random.Random
    sound: Soundness
    digests: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    killed: dict[str, int] = field(default_factory=dict)

    @property
    def laststage(self) -> Laststage:
        return self.local.laststage

    def build(self, name: str) -> Action:
        context = self.local.folder / name
        return Action(name, self.laststage.line(*self.local.line(context, "--json")))

    def transfer(self, verb: str, source: str, target: str = "") -> Action:
        line = [sys.executable, "-c", TRANSFER, str(self.laststage.store), verb, source, target]
        return Action(verb, line)

    def any_action(self) -> Action:
        name = self.dice.choice(sorted(self.digests))
        pushed = f"{self.registry.address}/kills/{name}:1"
        match self.dice.choices(("build", "pull", "push", "gc"), (5, 2, 2, 2))[0]:
            case "pull":
                return self.transfer("pull", pushed)
            case "push":
                other = f"{self.registry.address}/kills/{self.dice.randrange(10**6)}:1"
                return self.transfer("push", name, other)
            case "gc":
                limit = self.dice.choice((["--all"], ["--max-size", "6MB"], ["--max-age", "1s"]))
                return Action("gc", self.laststage.line("gc", *limit))
            case _:
                return self.build(name)

    def start(self, action: Action) -> None:
        action.log = self.local.folder / f"log-{len(os.listdir(self.local.folder))}"
        with action.log.open("wb") as log:
            action.process = subprocess.Popen(
                action.line, stdout=log, stderr=log, env=self.laststage.env, process_group=0
            )

    def run(self, action: Action) -> str:
        """Run an action to its end; return what it said."""
        started = time.monotonic()
        self.start(action)
        assert action.process
        assert action.log
        status = action.process.wait(120)
        text = action.log.read_text()
        action.log.unlink()
        assert status == 0, f"{action.line}: exit {status}\n{text}"
        kind = action.name.partition("-")[0]
        took = time.monotonic() - started
        self.seconds[kind] = (self.seconds.get(kind, took) + took) / 2
        return text

    def reset(self, name: str) -> None:
        """Take away what is known of a build, so that there is something to do."""
        for path in (self.laststage.store / "receipts").iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry") / "plain", tls=False)


@pytest.fixture
def arena(fresh: Laststage, registry: Served, tmp_path: Path) -> Arena:
    seed = int(os.environ.get("LASTSTAGE_SEED") or random.randrange(10**9))
    sys.stdout.write(f"LASTSTAGE_SEED={seed}\n")
    own = Laststage(fresh.store, fresh.home, extra={"SOURCE_DATE_EPOCH": "0"})
    local = local_store(own, tmp_path / "local")
    arena = Arena(local, registry, random.Random(seed), Soundness(fresh.store))
    for variant in range(VARIANTS):
        for kind, text in TEXTS.items():
            name = f"{kind}-{variant}"
            files = {f"file{n}": f"{variant}{n}" * 5000 for n in range(30)}
            local.write(name, text, file=f"{variant}\n", **(files if kind == "copies" else {}))
            report = arena.run(arena.build(name))
            arena.digests[name] = digest_in(report)
            arena.run(arena.transfer("push", name, f"{registry.address}/kills/{name}:1"))
    arena.run(Action("gc", own.line("gc", "--all")))
    arena.run(arena.transfer("pull", f"{registry.address}/kills/multi-0:1"))
    return arena


def test_kills(arena: Arena) -> None:
    while (number := sum(arena.killed.values())) < KILLS:
        actions = [arena.any_action() for _ in range(arena.dice.choices((1, 2, 3), (6, 3, 1))[0])]
        for action in actions:
            arena.start(action)
        longest = max(arena.seconds[action.name.partition("-")[0]] for action in actions)
        time.sleep(arena.dice.uniform(0.1, 1.1) * longest)
        victim = actions[0]
        assert victim.process
        with_others = arena.dice.random() < 0.5
        for action in actions if with_others else actions[:1]:
            kill(action, arena)
        for action in actions[1:]:
            assert action.process
            assert action.log
            status = action.process.wait(60)
            assert status in (0, -9), f"kill {number}: {action.line}\n{action.log.read_text()}"
        wait_until(lambda: not runs_for(arena.laststage.store))
        arena.sound.check()
        has_gc = any(action.name == "gc" for action in actions)
        go_on(arena, victim, has_gc=has_gc)
        for action in actions:
            assert action.log
            action.log.unlink()
    sys.stdout.write(f"killed: {arena.killed}, seconds: {arena.seconds}\n")


def kill(action: Action, arena: Arena) -> None:
    assert action.process
    if action.process.poll() is None:
        os.killpg(action.process.pid, signal.SIGKILL)
        kind = action.name.partition("-")[0]
        arena.killed[kind] = arena.killed.get(kind, 0) + 1
    action.process.wait()


def runs_for(store: Path) -> list[list[str]]:
    """Return the command lines of the sandboxes that still run for *store*."""
    return [words for words in command_lines().values() if str(store) in " ".join(words)]


def go_on(arena: Arena, victim: Action, *, has_gc: bool) -> None:
    """Build what was killed, or anything: it gives what it should, and does nothing again."""
    name = victim.name if victim.name in arena.digests else arena.dice.choice(list(arena.digests))
    arena.reset(name)
    text = arena.run(arena.build(name))
    assert digest_in(text) == arena.digests[name]
    if victim.name == name and not has_gc:
        assert victim.log
        lost = set(done(victim.log.read_text())) & set(done(text))
        assert not lost, f"{lost} were done, and done again:\n{text}"
    arena.sound.check_tags()
    arena.sound.check_nothing_is_left()
    if not has_gc and arena.dice.random() < 0.2:
        arena.run(Action("gc", arena.laststage.line("gc", "--all")))


def digest_in(text: str) -> str:
    """Return the image's digest from what a build with --json said."""
    return str(json.JSONDecoder().raw_decode(text[text.index("\n{") + 1 :])[0]["digest"])


def done(log: str) -> list[str]:
    """Return the RUN steps that were executed and reported as finished."""
    names = dict(re.findall(r"^#(\d+) \[[^\]]*\] (RUN .*)$", log, re.MULTILINE))
    finished = re.findall(r"^#(\d+) DONE", log, re.MULTILINE)
    return [names[number] for number in finished if number in names]


@pytest.mark.whoever("the store is checked by who runs the tests")
def test_the_runtime_alone_is_killed(fresh: Laststage, tmp_path: Path) -> None:
    """A step whose sandbox is gone has failed; it is not taken for done."""
    local, sound = local_store(fresh, tmp_path / "local"), Soundness(fresh.store)
    context = local.write("slow", f"FROM base\nRUN echo now: begun; sleep 71.{os.getpid()}\n")
    process = fresh.start(*local.line(context))
    assert process.stderr
    wait_until(lambda: process.stderr.readline().endswith(" begun\n"))
    for number, words in command_lines().items():
        if words[:2] == ["sleep", f"71.{os.getpid()}"]:
            sleeper = number
        if words[0].endswith(("runc", "crun")) and str(fresh.store) in " ".join(words):
            os.kill(number, signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "RUN echo now: begun" in said
    wait_until(lambda: not os.path.exists(f"/proc/{sleeper}"))
    sound.check()
    context = local.write("slow", "FROM base\nRUN echo begun\n")
    assert executed(fresh(*local.line(context)).stderr) == ["RUN"]
    sound.check_nothing_is_left()

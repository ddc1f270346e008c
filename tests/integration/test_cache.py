"""What was done once is not done again, and what changed is."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

NO_MIRROR = ("--offline", "--mirror", "http://127.0.0.1:9/debian")
# a file as young as a tick of the clock could still change unseen, so no receipt is kept for it
SETTLED = 0.1


def executed(log: str) -> list[str]:
    """Return the instructions that were executed, by the words that they begin with."""
    steps = re.findall(r"^#(\d+) \[[^\]]*\] (\w+(?: --from)?)", log, re.MULTILINE)
    cached = set(re.findall(r"^#(\d+) \[.*  CACHED$", log, re.MULTILINE))
    return [word for number, word in steps if number not in cached]


def test_an_unchanged_build_executes_nothing(laststage, calculator, examples: Path) -> None:
    shutil.rmtree(laststage.store / "receipts")
    done = laststage("build", "--json", "-t", "calculator", examples / "go-calculator")
    assert '"executed_steps": 0' in done.stdout
    assert f'"digest": "{calculator["digest"]}"' in done.stdout
    assert executed(done.stderr) == []
    assert done.stderr.count("CACHED") == 6


def test_a_receipt_repeats_the_output(laststage, calculator, app: Path) -> None:
    time.sleep(SETTLED)
    first = laststage("build", "-t", "receipt", app)
    second = laststage("build", "-t", "receipt", app)
    assert second.stdout == first.stdout
    assert second.stderr == "nothing has changed since the last build\n"


@pytest.mark.parametrize("change", ["content", "added", "removed", "mode"])
def test_a_receipt_holds_only_while_nothing_changes(
    laststage, calculator, app: Path, change: str
) -> None:
    time.sleep(SETTLED)
    laststage("build", "-t", "receipt", app)
    match change:
        case "content":
            status = (app / "README.md").stat()
            text = (app / "README.md").read_text()
            (app / "README.md").write_text(text.replace("calculator", "Calculator"))
            assert (app / "README.md").stat().st_size == status.st_size
        case "added":
            (app / "notes.txt").write_text("new")
        case "removed":
            (app / "README.md").unlink()
        case "mode":
            (app / "README.md").chmod(0o600)
    done = laststage("build", "-t", "receipt", app)
    assert "nothing has changed" not in done.stderr
    assert executed(done.stderr)[:1] == ["COPY"]


def test_a_receipt_needs_its_tag(laststage, calculator, web, app: Path, examples: Path) -> None:
    time.sleep(SETTLED)
    laststage("build", "-t", "receipt", app)
    laststage("build", "-t", "receipt", examples / "go-web")
    report = laststage.build("-t", "receipt", app)
    assert laststage.image("receipt:latest").digest == report["digest"] == calculator["digest"]


def test_a_changed_source_runs_what_depends_on_it(laststage, calculator, app: Path) -> None:
    source = (app / "main.go").read_text()
    (app / "main.go").write_text(source.replace("division by zero", "no number divided by zero"))
    done = laststage("build", "-t", "changed", app)
    assert sorted(executed(done.stderr)) == ["COPY", "COPY --from", "RUN"]
    assert laststage.image("changed:latest").digest != calculator["digest"]
    assert "no number" in laststage("run", "changed", stdin="1 / 0", expect=1).stderr


def test_a_change_without_effect_gives_the_same_image(laststage, calculator, app: Path) -> None:
    (app / "README.md").write_text("other words\n")
    report = laststage.build("-t", "changed", app)
    assert report["executed_steps"] == 2  # COPY and RUN; the program is the same
    assert report["digest"] == calculator["digest"]


def test_what_is_ignored_changes_nothing(laststage, calculator, app: Path) -> None:
    (app / "main_test.go").write_text("package main // without tests\n")
    (app / ".env").write_text("SECRET=1\n")
    (app / ".git").mkdir()
    (app / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert laststage.build("-t", "changed", app)["executed_steps"] == 0


def test_the_compilers_cache_lives_on(laststage, calculator, app: Path) -> None:
    """Its packages are compiled once for all apps: no step after the first compiles them."""
    caches = list((laststage.store / "caches").iterdir())
    compiled = {path for cache in caches for path in cache.rglob("*-d")}
    assert len(compiled) > 20
    (app / "extra.go").write_text("package main\n\nvar extra = 1\n\nfunc init() { extra++ }\n")
    laststage("build", "-t", "changed", app)
    after = {path for cache in caches for path in cache.rglob("*-d")}
    assert compiled <= after
    assert len(after - compiled) < 5


def test_no_cache_runs_everything_again_to_the_same_image(laststage, calculator, app: Path) -> None:
    done = laststage("build", "--no-cache", "-t", "changed", app)
    assert sorted(executed(done.stderr)) == ["COPY", "COPY --from", "RUN", "WORKDIR"]
    assert laststage.image("changed:latest").digest == calculator["digest"]


def test_it_builds_offline(laststage, calculator, app: Path) -> None:
    source = (app / "main.go").read_text()
    (app / "main.go").write_text(source.replace("division by zero", "offline"))
    report = laststage.build(*NO_MIRROR, "-t", "offline", app)
    assert report["executed_steps"] == 3
    assert "offline" in laststage("run", "offline", stdin="1 / 0", expect=1).stderr


def test_the_mirror_is_not_asked_for_what_is_here(laststage, calculator, app: Path) -> None:
    report = laststage.build("--mirror", "http://127.0.0.1:9/debian", "-t", "offline", app)
    assert report["digest"] == calculator["digest"]

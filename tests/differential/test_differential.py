"""What Docker builds, laststage builds: the same files, the same config, or both refuse.

Where Docker's behaviour is not wanted, `deviations.toml` says what is wanted instead, and why.
"""

from __future__ import annotations

import json
import tomllib
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from .cases import Case, all_cases
from .conftest import Built

CASES = all_cases()
DEVIATIONS = tomllib.loads((Path(__file__).parent / "deviations.toml").read_text())["deviation"]

pytestmark = pytest.mark.differential


@pytest.mark.parametrize("case", CASES, ids=attrgetter("id"))
def test_same(case: Case, built: Built) -> None:
    wanted = {**_reference(case, built), **_deviation(case)}
    actual = _actual(case, built)
    if case.expect is not None:
        unseen = {f"config.{field}" for field in case.expect.get("config", {})}
        actual = {
            key: text
            for key, text in actual.items()
            if not key.startswith("config.") or key in unseen
        }
    lines = _differences(wanted, actual)
    if lines:
        pytest.fail(_explained(case, built, lines), pytrace=False)


@pytest.mark.parametrize("number", range(len(DEVIATIONS)))
def test_deviation_is_one(number: int, built: Built) -> None:
    """A deviation that no longer deviates has to go."""
    deviation = DEVIATIONS[number]
    case = next((case for case in CASES if case.id == deviation["case"]), None)
    assert case, f"there is no case {deviation['case']}"
    assert case.expect is None, "a case with [expect] deviates from nothing"
    assert deviation["reason"]
    if case.id not in built.docker:
        pytest.skip("its case was not chosen")
    reference = _reference(case, built)
    same = [key for key, text in deviation["want"].items() if reference.get(key, "absent") == text]
    assert not same, f"Docker does this too: {same}"


def test_there_are_enough() -> None:
    assert len(CASES) >= 150


def _reference(case: Case, built: Built) -> dict[str, str]:
    """Return what has to come out of *case*, but for deviations."""
    if case.expect is not None:
        return _golden(case, built)
    outcome = built.docker[case.id]
    if outcome.good is case.fails:
        pytest.fail(f"not what the case says of Docker:\n{outcome.output[-2000:]}", pytrace=False)
    if not outcome.good:
        return {"outcome": "fails"}
    return built.docker_images[case.id].described(times=case.times)


def _golden(case: Case, built: Built) -> dict[str, str]:
    assert case.expect is not None
    if case.expect.get("fails"):
        return {"outcome": "fails"}
    over = case.expect.get("over", "base")
    wanted = {"/": "dir 0755 0:0"}
    if over != "scratch":
        described = built.bases[over].described()
        wanted = {k: v for k, v in described.items() if not k.startswith("config.")}
    wanted |= case.expect.get("files", {})
    for field, value in case.expect.get("config", {}).items():
        empty = value in ("", [], {})
        wanted[f"config.{field}"] = "absent" if empty else json.dumps(value, sort_keys=True)
    return wanted


def _actual(case: Case, built: Built) -> dict[str, str]:
    if not built.laststage[case.id].good:
        return {"outcome": "fails"}
    return built.laststage_images[case.id]().described(times=case.times)


def _deviation(case: Case) -> dict[str, Any]:
    return {
        key: text
        for deviation in DEVIATIONS
        if deviation["case"] == case.id
        for key, text in deviation["want"].items()
    }


def _differences(wanted: dict[str, str], actual: dict[str, str]) -> list[str]:
    if "outcome" in wanted:
        return [] if "outcome" in actual else ["laststage builds what must be refused"]
    if "outcome" in actual:
        return ["laststage refuses what must be built"]
    lines: list[str] = []
    for key in sorted(wanted.keys() | actual.keys()):
        left, right = wanted.get(key, "absent"), actual.get(key, "absent")
        if left != right:
            lines += [f"{key!r}:", f"  wanted    {left}", f"  laststage {right}"]
    return lines


def _explained(case: Case, built: Built, lines: list[str]) -> str:
    text = [*lines, "", "Dockerfile:", *(f"  {line}" for line in case.dockerfile.splitlines())]
    outcome = built.laststage[case.id]
    if not outcome.good and not case.fails:
        text += ["", "laststage:", outcome.output]
    return "\n".join(text)

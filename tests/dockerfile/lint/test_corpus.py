"""Each case is a folder below the rule that it is about: `found-*` it reports, `clean-*` it does not.

A case has a Dockerfile, perhaps an ignore file, and what else is given to `lint`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.lint import RULES, Finding, lint
from laststage.dockerfile.parser import parse

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(path.parent for path in CORPUS.rglob("Dockerfile"))
NEEDS_IMAGES = "InvalidBaseImagePlatform"


def found_in(case: Path) -> tuple[Finding, ...]:
    ignore, given = case / "dockerignore", case / "given.json"
    arguments: dict[str, Any] = json.loads(given.read_text()) if given.is_file() else {}
    if "base_env" in arguments:
        arguments["base_env"] = arguments["base_env"].get
    return lint(
        parse((case / "Dockerfile").read_text()),
        ignore=IgnoreFile.parse(ignore.read_text()) if ignore.is_file() else None,
        **arguments,
    )


def shown(finding: Finding) -> str:
    span = finding.span
    return f"{span.line}-{span.end_line}:{span.column} {finding.level} {finding.text}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_case(case: Path, golden: Any) -> None:
    findings = found_in(case)
    golden.check(case / "expected.txt", "".join(map(shown, findings)))
    rules = {finding.rule for finding in findings}
    if case.name.startswith(("found-", "clean-")):
        assert (case.parent.name in rules) == case.name.startswith("found-")


@pytest.mark.parametrize("rule", [name for name in RULES if name != NEEDS_IMAGES])
@pytest.mark.parametrize("kind", ["found-", "clean-"])
def test_every_rule_has_cases(rule: str, kind: str) -> None:
    assert len(list((CORPUS / rule).glob(f"{kind}*"))) >= 2

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from laststage.dockerfile.errors import DockerfileError
from laststage.dockerfile.parser import parse

if TYPE_CHECKING:
    from laststage.dockerfile.parser import Dockerfile

CORPUS = Path(__file__).parent / "corpus"


def cases(kind: str) -> list[Path]:
    return sorted(path for path in (CORPUS / kind).iterdir() if path.is_dir())


def read(case: Path) -> str:
    return (case / "Dockerfile").read_bytes().decode()


def brief(value: Any) -> Any:
    """Return *value* without empty members, a span as one word: so that a person can read it."""
    if isinstance(value, dict):
        if "end_line" in value:
            return f"{value['line']}-{value['end_line']}:{value['column']}"
        return {
            key: brief(member)
            for key, member in value.items()
            if member not in ("", (), None, 0, False) and key != "source"
        }
    return [brief(member) for member in value] if isinstance(value, tuple | list) else value


def encoded(dockerfile: Dockerfile) -> str:
    plain = brief(msgspec.to_builtins(dockerfile))
    return msgspec.json.format(msgspec.json.encode(plain)).decode() + "\n"


@pytest.mark.parametrize("case", cases("ok"), ids=attrgetter("name"))
def test_good(case: Path, golden: Any) -> None:
    golden.check(case / "expected.json", encoded(parse(read(case))))


@pytest.mark.parametrize("case", cases("bad"), ids=attrgetter("name"))
def test_bad(case: Path, golden: Any) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(read(case))
    error = caught.value
    lines = [f"{error.code} {error.where}: {error.message}", error.excerpt, f"hint: {error.hint}"]
    golden.check(case / "error.txt", "\n".join(lines) + "\n")
    assert error.exit_code == 2

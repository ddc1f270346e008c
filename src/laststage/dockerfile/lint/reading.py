"""The rules on the text itself: names, keywords, comments, empty lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laststage.dockerfile.instructions import Arg, From, Instruction, Maintainer
from laststage.dockerfile.lines import split_instruction
from laststage.dockerfile.lint.options import is_check_comment
from laststage.dockerfile.lint.problems import Lintable, Problem, keyword_of, word
from laststage.dockerfile.words import split_gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RESERVED = {"scratch": "the empty image", "context": "the build context"}


def stage_name_casing(about: Lintable) -> Iterator[Problem]:
    """Report names of stages with capitals."""
    for line, _, name in _named_stages(about):
        if name != name.lower():
            yield Problem(line, f"the stage name {name} has capital letters", word(name))


def from_as_casing(about: Lintable) -> Iterator[Problem]:
    """Report AS in another case than FROM; a FROM that mixes cases is another rule's matter."""
    for line, keyword, _ in _named_stages(about):
        written = keyword_of(line)
        if not _is_one_case(written):
            continue
        if keyword != (keyword.lower() if written == written.lower() else keyword.upper()):
            yield Problem(line, f"{keyword} is in another case than {written}", word(keyword))


def _named_stages(about: Lintable) -> Iterator[tuple[From, str, str]]:
    """Yield FROM lines that give a name, with AS and the name as they are written."""
    for stage in about.file.stages:
        words = split_gaps(split_instruction(stage.base.text, about.file.escape)[2])
        if len(words) == 3:
            yield stage.base, words[1], words[2]


def no_empty_continuation(about: Lintable) -> Iterator[Problem]:
    """Report empty lines inside instructions."""
    found = set(about.file.empty_continuations)
    for line in about.instructions:
        if line.span in found:
            yield Problem(line, "an empty line inside an instruction", r"^\s*$")


def consistent_instruction_casing(about: Lintable) -> Iterator[Problem]:
    """Report keywords that differ from the majority; ARGs above FROM have no vote."""
    lines = [line for stage in about.file.stages for line in (stage.base, *stage.instructions)]
    keywords = [keyword_of(line) for line in lines]
    small = sum(keyword == keyword.lower() for keyword in keywords)
    capital = sum(keyword == keyword.upper() for keyword in keywords)
    case = "lower" if small > capital else "upper"
    for line, keyword in zip(lines, keywords, strict=True):
        if keyword != (keyword.lower() if case == "lower" else keyword.upper()):
            yield Problem(line, f"{keyword} is not in {case} case, as most keywords are")


def _is_one_case(keyword: str) -> bool:
    return keyword in (keyword.lower(), keyword.upper())


def duplicate_stage_name(about: Lintable) -> Iterator[Problem]:
    """Report a name that an earlier stage has."""
    seen: set[str] = set()
    for stage in about.file.stages:
        if stage.name in seen:
            yield Problem(stage.base, f"there is a stage {stage.name} above", _name(stage.name))
        if stage.name:
            seen.add(stage.name)


def reserved_stage_name(about: Lintable) -> Iterator[Problem]:
    """Report names that mean something else."""
    for stage in about.file.stages:
        if stage.name in _RESERVED:
            message = f"{stage.name} means {_RESERVED[stage.name]}"
            yield Problem(stage.base, message, _name(stage.name))


def _name(name: str) -> str:
    return rf"(?i)(?<![\w.-]){re.escape(name)}(?=\s*$)"


def maintainer_deprecated(about: Lintable) -> Iterator[Problem]:
    """Report MAINTAINER."""
    for line in about.instructions:
        if isinstance(line, Maintainer):
            yield Problem(line, "MAINTAINER is deprecated; a label says who made an image")


def invalid_definition_description(about: Lintable) -> Iterator[Problem]:
    """Report comments right above an ARG or a named stage that do not begin with its name."""
    for line in about.instructions:
        match line:
            case From(name=name) if name:
                names = [name]
            case Arg(args=args):
                names = [arg.name for arg in args]
            case _:
                continue
        comments = [comment for comment in line.comments if not is_check_comment(comment)]
        if not comments or comments[-1].split(" ")[0] in names or _stands_apart(about, line):
            continue
        name = names[0] if len(names) == 1 else "NAME"
        keyword = keyword_of(line).upper()
        yield Problem(line, f"the comment above {keyword} does not begin with # {name} ...")


def _stands_apart(about: Lintable, line: Instruction) -> bool:
    """Whether an empty line stands above *line*."""
    above = about.file.source.text.split("\n")[line.span.line - 2]
    return not above.strip()


READING: dict[str, Callable[[Lintable], Iterator[Problem]]] = {
    "StageNameCasing": stage_name_casing,
    "FromAsCasing": from_as_casing,
    "NoEmptyContinuation": no_empty_continuation,
    "ConsistentInstructionCasing": consistent_instruction_casing,
    "DuplicateStageName": duplicate_stage_name,
    "ReservedStageName": reserved_stage_name,
    "MaintainerDeprecated": maintainer_deprecated,
    "InvalidDefinitionDescription": invalid_definition_description,
}

"""The page about the checks, from the table of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laststage.dockerfile.lint.rules import RULES

if TYPE_CHECKING:
    from laststage.dockerfile.lint.rules import Rule

_HEAD = """\
# Checks

`laststage lint` looks for what a Dockerfile may say but probably does not mean. The checks have the
names that BuildKit gives them, and they find the same but for what the end of this page says.
`laststage build` warns of what it finds in the stages that it builds; with `--check` it checks, and
stops. `--json` prints the findings for programs, `lint --sarif` for code scanning. The exit code is 1
if anything was found.

A comment turns checks off. At the top of the file it counts for the whole file, right above an
instruction for that one alone:

    # check=skip=JSONArgsRecommended,UndefinedVar
    FROM alpine
    # check=skip=all
    CMD server

`skip` takes names, or `all`. `error=true`, at the top only, makes every finding an error, so that a
build stops; `lint --error` calls them so without the line. `experimental` takes the names of
experimental checks, or `all`; they count nowhere else.
Several settings are separated by semicolons: `# check=skip=UndefinedVar;error=true`. The build
argument `BUILDKIT_DOCKERFILE_CHECK` takes the place of the line at the top.
"""

_TAIL = """\
## Where this differs from BuildKit

- A base image that is not known is not fetched. `UndefinedVar` then says nothing about names that an
  image may well set, like `PYTHON_VERSION`, unless they are surely slips of the pen; other checks
  say nothing about words that use such a name. ONBUILD instructions and the SHELL of an image do not
  count.
- A comment above an instruction counts for every check there. BuildKit passes over it for names of
  stages, the case of keywords, empty lines, defaults of ARG in FROM and platforms of base images.
  A repeated CMD can be allowed at either of the two.
- A finding names the line and column of the word, not the first line of the instruction, and is
  given once, however often the word stands there. `NoEmptyContinuation` names the empty line.
- `InvalidDefaultArgInFrom` is about names with variables; any other bad name is an error anyway.
- `CopyIgnoredFile` understands a source that begins with a slash or leads out of the context.
- `InvalidDefinitionDescription` accepts an empty line below a comment, as its own text says, and
  passes over comments that are about checks.
- What cannot be built at all is an error without findings beside it. What cannot be expanded is
  left to the build.
"""


def checks_page() -> str:
    """Return the page as Markdown."""
    return "\n".join((_HEAD, *(_section(rule) for rule in RULES.values()), _TAIL))


def _section(rule: Rule) -> str:
    kind = f"{rule.level}, experimental" if rule.experimental else rule.level
    return f"""\
## {rule.name}

{rule.description}

What to do: {rule.mend}. ({kind})

Found here:

```dockerfile
{rule.bad.rstrip()}
```

Not here:

```dockerfile
{rule.good.rstrip()}
```
"""

"""The page about the checks, from the table of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laststage.dockerfile.lint.rules import RULES

if TYPE_CHECKING:
    from laststage.dockerfile.lint.rules import Rule

_HEAD = """\
# Checks

`laststage lint` looks for what a Dockerfile may say but probably does not mean. The checks have the
names that BuildKit gives them, and they find the same; where they differ, it is said here.

A comment turns checks off. At the top of the file it counts for the whole file, right above an
instruction for that one alone:

    # check=skip=JSONArgsRecommended,UndefinedVar
    FROM alpine
    # check=skip=all
    CMD server

`skip` takes names, or `all`. `error=true`, at the top only, makes every finding an error, so that a
build stops. `experimental` takes the names of experimental checks, or `all`; they count nowhere else.
Several settings are separated by semicolons: `# check=skip=UndefinedVar;error=true`. The build
argument `BUILDKIT_DOCKERFILE_CHECK` takes the place of the line at the top.

Where a base image is not known, its variables are not known either. `UndefinedVar` then says nothing
about names that an image may well set, like `PYTHON_VERSION`, unless they are surely slips of the pen.
"""


def checks_page() -> str:
    """Return the page as Markdown."""
    return "\n".join((_HEAD, *(_section(rule) for rule in RULES.values())))


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

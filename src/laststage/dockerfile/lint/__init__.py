"""What is legal in a Dockerfile but probably not meant: BuildKit's checks, by BuildKit's names.

`rules` is the table, `reading` holds the rules on the text, `origins` those on FROM lines, `running`
those on instructions in their order; `linting` applies them. Nothing here touches a disk.
"""

from laststage.dockerfile.lint.linting import ActualPlatform, lint, lint_bases
from laststage.dockerfile.lint.rules import RULES, Finding, Rule
from laststage.dockerfile.lint.walking import BaseEnv

__all__ = ["RULES", "ActualPlatform", "BaseEnv", "Finding", "Rule", "lint", "lint_bases"]

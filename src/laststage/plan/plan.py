"""The plan for an app: a Dockerfile, and what must not come into its context."""

from __future__ import annotations

from msgspec import Struct

from laststage.detect.profile import AppProfile
from laststage.plan.go import go_dockerfile

# What no build needs and no image may hold: version control, editors, secrets, other images' files.
_IGNORED = (
    ".git",
    ".gitignore",
    ".github",
    ".gitlab-ci.yml",
    ".hg",
    ".svn",
    ".idea",
    ".vscode",
    "*.swp",
    "*~",
    ".DS_Store",
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "id_rsa*",
    "id_ed25519*",
    ".netrc",
    ".npmrc",
    "Dockerfile*",
    ".dockerignore",
    "docker-compose*.yml",
    "compose*.y*ml",
    "laststage.toml",
    "laststage.lock",
)


class Plan(Struct, frozen=True):
    """A Dockerfile and the ignore file that goes with it, both as text."""

    dockerfile: str
    dockerignore: str
    program: str
    needs: tuple[str, ...]


def make_plan(profile: AppProfile) -> Plan:
    """Return the plan for *profile*."""
    return Plan(
        dockerfile=go_dockerfile(profile),
        dockerignore=_ignore_text(profile),
        program=f"/{profile.name}",
        needs=profile.needs,
    )


def _ignore_text(profile: AppProfile) -> str:
    lines = [
        "# What stays out of the build: neither secrets nor clutter can end in a layer.",
        *_IGNORED,
    ]
    lines += ["**/*_test.go", "**/testdata"]
    lines.append(f"/{profile.name}" if profile.package == "." else "/bin")
    return "\n".join(lines) + "\n"

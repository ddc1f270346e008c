"""The plan for an app: a Dockerfile, and what must not come into its context."""

from __future__ import annotations

from msgspec import Struct

from laststage.detect.profile import AppProfile
from laststage.plan.go import go_dockerfile, program_path

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
        program=program_path(profile),
        needs=profile.needs,
    )


def _ignore_text(profile: AppProfile) -> str:
    lines = [
        "# What stays out of the build: neither secrets nor clutter can end in a layer.",
        *_IGNORED,
    ]
    if profile.package == ".":
        # the program as `go build` leaves it here, but not a folder of packages with its name
        lines += [f"/{profile.name}", f"!/{profile.name}/**"]
    elif not f"{profile.package}/".startswith("./bin/"):
        lines.append("/bin")
    lines += ["**/*_test.go", "**/testdata"]
    return "\n".join(lines) + "\n"

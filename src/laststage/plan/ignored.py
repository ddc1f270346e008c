"""The ignore file of a plan: what no build needs and no image may hold."""

from __future__ import annotations

from collections.abc import Iterable

# version control, editors, secrets, other images' files, what other machines made
_IGNORED = (
    ".git",
    ".gitignore",
    ".gitattributes",
    ".github",
    ".gitlab-ci.yml",
    ".hg",
    ".svn",
    ".idea",
    ".vscode",
    "**/*.swp",
    "**/*~",
    "**/.DS_Store",
    "**/.env",
    "**/.env.*",
    "**/*.pem",
    "**/*.key",
    "**/id_rsa*",
    "**/id_ed25519*",
    "**/.netrc",
    "**/.npmrc",
    "**/Dockerfile*",
    ".dockerignore",
    "docker-compose*.yml",
    "compose*.y*ml",
    "laststage.toml",
    "laststage.lock",
)


def ignore_text(more: Iterable[str]) -> str:
    """Return the ignore file with *more* lines at its end."""
    lines = [
        "# What stays out of the build: neither secrets nor clutter can end in a layer.",
        *_IGNORED,
        *more,
    ]
    return "\n".join(lines) + "\n"

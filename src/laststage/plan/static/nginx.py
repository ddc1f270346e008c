"""The configuration of nginx for a site, from a template beside this module."""

from __future__ import annotations

import re
from pathlib import Path

from laststage.detect.static.profile import StaticProfile

_TEMPLATE = Path(__file__).with_name("nginx.conf")
_MARK = re.compile(r"<(\w+)>")
# Stands for what only the build knows: the hash of all files of the site.
HASH = "@SITE@"


def nginx_conf(profile: StaticProfile) -> list[str]:
    """Return the lines of the configuration; HASH in them is for the build to replace."""
    words = {
        "port": str(profile.port),
        "immutable": _below(profile.base, profile.immutable),
        "hash": HASH,
        "base": profile.base,
        "missing": profile.missing,
        "answer": profile.base + profile.fallback if profile.fallback else "=404",
        "health": profile.health,
    }
    shown = {
        "map": bool(profile.immutable),
        "nomap": not profile.immutable,
        "utf8": bool(profile.tool),
        "fallback": bool(profile.fallback),
        "hashed": bool(profile.fallback and profile.immutable),
        "missing": bool(profile.missing and not profile.fallback),
        "based": profile.base != "/",
    }
    lines = []
    for line in _TEMPLATE.read_text(encoding="utf-8").splitlines():
        condition = _MARK.match(line)
        if condition:
            if not shown[condition[1]]:
                continue
            line = line[condition.end() :]
        lines.append(_MARK.sub(lambda mark: words[mark[1]], line))
    return lines


def _below(base: str, pattern: str) -> str:
    """Return the pattern, which is for paths of the site, for those that are asked for."""
    return f"^{re.escape(base)}{pattern.removeprefix('^/')}" if pattern[:2] == "^/" else pattern

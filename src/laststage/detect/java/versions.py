"""Which Java an app asks for: in its build, or in a file for the tool that installs Java."""

from __future__ import annotations

import re
from collections.abc import Iterator

from laststage.detect.errors import VersionError
from laststage.detect.files import AppFolder
from laststage.detect.java.profile import RELEASES
from laststage.detect.profile import Decision, Evidence

# Files that name the Java that an app is run with, and how.
_FILES = {
    ".java-version": r"^\s*(?:[a-z]+-?)*(\d[\d.]*)",
    ".sdkmanrc": r"^java\s*=\s*(\d[\d.]*)",
    ".tool-versions": r"^java\s+(?:[a-z]+-)*(\d[\d.]*)",
    "system.properties": r"^java\.runtime\.version\s*[=:]\s*(?:[a-z]+-)*(\d[\d.]*)",
    "mise.toml": r"^java\s*=\s*\"(?:[a-z]+-)*(\d[\d.]*)",
}


def number(text: str) -> int:
    """Return the version that *text* begins with as one number (8 for 1.8), 0 for none."""
    match = re.match(r"\s*(?:1\.)?(\d+)", text)
    return int(match[1]) if match else 0


def chosen_java(
    app: AppFolder, asked: int, where: str, evidence: list[Evidence], decisions: list[Decision]
) -> int:
    """Return the Java that builds and runs an app whose build asks for *asked* (0: for none).

    What was found is added to *evidence*, what was chosen to *decisions*. Raise VersionError if
    no builder has what is asked for.
    """
    if asked:
        evidence.append(Evidence(f"Java {asked} or later", where))
    pinned, place = asked, where
    for version, here in _pinned(app):
        evidence.append(Evidence(f"runs with Java {version}", here))
        if version > pinned:
            pinned, place = version, here
    if app.said.version:
        pinned, place = number(app.said.version), "laststage.toml"
    if not pinned:
        decisions.append(Decision("Java 21", "the build asks for no version"))
        return 21
    found = next((release for release in RELEASES if release >= pinned), 0)
    if not found:
        have = ", ".join(map(str, RELEASES))
        raise VersionError(
            f"the app asks for Java {pinned}, and there are {have}",
            where=place,
            hint='choose one: version = "25" under [app] in laststage.toml, or --language-version',
        )
    if found != pinned:
        decisions.append(
            Decision(f"Java {found}", f"it is the next after {pinned} with long-term support here")
        )
    return found


def _pinned(app: AppFolder) -> Iterator[tuple[int, str]]:
    for path, pattern in _FILES.items():
        if app.has(path) and (match := re.search(pattern, app.text(path), re.MULTILINE)):
            yield number(match[1]), app.where(path, pattern)

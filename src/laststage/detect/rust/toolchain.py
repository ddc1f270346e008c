"""Which Rust builds an app."""

from __future__ import annotations

import posixpath
import re

from laststage.detect.errors import VersionError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision, Evidence
from laststage.detect.rust.manifest import Manifest

# The newest that Debian itself supports: newer ones build what older ones do.
NEWEST = "1.96"
_RELEASE = re.compile(r"(\d+\.\d+(?:\.\d+)?)(?:-[a-z0-9_-]+)?$")
_CHANNEL = re.compile(r"^\s*channel\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)


def find_toolchain(
    app: AppFolder, manifest: Manifest
) -> tuple[str, list[Evidence], list[Decision]]:
    """Return the version of Rust, as the builder's tag has it, what says so, and why it is that.

    Raise VersionError for a Rust that is no release.
    """
    if app.said.version:
        return app.said.version, [], []
    for path in dict.fromkeys(
        posixpath.join(folder, name)
        for folder in (manifest.folder, "")
        for name in ("rust-toolchain.toml", "rust-toolchain")
    ):
        if app.has(path):
            return _of_file(app, path, manifest)
    return _of_packages(app, manifest)


def _of_file(
    app: AppFolder, path: str, manifest: Manifest
) -> tuple[str, list[Evidence], list[Decision]]:
    text = app.text(path)
    match = _CHANNEL.search(text)
    channel = match[1] if match else "" if "[" in text else text.strip()
    where = app.where(path, r"^\s*channel\b") if match else path
    if match := _RELEASE.match(channel):
        return match[1], [Evidence(f"Rust {match[1]}", where)], []
    if channel.startswith("stable") or not channel:
        version, evidence, decisions = _of_packages(app, manifest)
        return version, [Evidence("stable Rust", where), *evidence], decisions
    raise VersionError(
        f"it asks for Rust {channel}, and builders have releases only",
        where=f"{app.root}/{where}",
        hint=f'try a release: version = "{NEWEST}" under [app] in laststage.toml, or --version {NEWEST}',
    )


def _of_packages(app: AppFolder, manifest: Manifest) -> tuple[str, list[Evidence], list[Decision]]:
    evidence = []
    least = ""
    for package in manifest.packages:
        if _numbers(package.rust_version) > _numbers(least):
            least = package.rust_version
            where = app.where(package.file, r"^\s*rust-version\b")
            evidence = [Evidence(f"Rust {least} or later", where)]
    if _numbers(least) > (*_numbers(NEWEST), 99):
        return ".".join(least.split(".")[:2]), evidence, []
    broken = [version for version in manifest.version_of("time") if _is_old_time(version)]
    if broken and _numbers(least) < (1, 80):
        why = f"time {broken[0]}, which Cargo.lock fixes, does not compile with Rust 1.80 and later"
        return "1.79", evidence, [Decision("Rust 1.79", why)]
    why = "the newest that Debian has; it builds what older ones do"
    return NEWEST, evidence, [Decision(f"Rust {NEWEST}", why)]


def _is_old_time(version: str) -> bool:
    return (0, 3) <= _numbers(version) < (0, 3, 35)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:3])

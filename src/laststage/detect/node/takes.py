"""What of a built Node app goes into the last stage."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.frontend import Frontend
from laststage.detect.node.building import Built, is_standalone
from laststage.detect.node.entry import Found
from laststage.detect.node.frameworks import next_folder
from laststage.detect.node.programs import file_position
from laststage.detect.node.sources import Sources

_MOST = 14
# At the top of an app, and for building, testing or reading only.
_NOT_TO_RUN = re.compile(
    r"^(\..*|readme.*|changelog.*|contributing.*|licen[sc]e.*|authors.*|code_of_conduct.*|security.*|"
    r".*\.md|.*\.log|.*\.pem|.*\.key|.*\.swp|.*~|dockerfile.*|docker-compose.*|compose.*\.ya?ml|makefile|"
    r"procfile.*|justfile|jenkinsfile|package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|"
    r"pnpm-workspace\.yaml|bun\.lockb?|tsconfig.*\.json|jsconfig\.json|nest-cli\.json|nodemon\.json|"
    r"turbo\.json|nx\.json|lerna\.json|vercel\.json|railway\.(json|toml)|railpack\.json|render\.ya?ml|"
    r"fly\.toml|netlify\.toml|nixpacks\.toml|mise\.toml|project\.toml|heroku\.yml|app\.ya?ml|cloudbuild\.ya?ml|"
    r"renovate\.json|laststage\.(toml|lock)|.*\.config\.\w+|.*\.(test|spec)\.\w+|gulpfile.*|gruntfile.*|"
    r"jest.*|web\.config|node_modules|bower_components|tests?|__tests__|specs?|e2e|cypress|coverage|docs?|"
    r"examples?|\.?storybook|.*\.tsbuildinfo)$",
    re.IGNORECASE,
)
_CODE = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".map")


class Take(Struct, frozen=True):
    """A file or folder of the build stage: *source* and *target* below the app's folder.

    Both are empty for the whole. *is_owned* where the app may write.
    """

    source: str
    target: str
    is_owned: bool = False
    is_file: bool = False


def takes(
    app: AppFolder,
    found: Found,
    built: Built,
    sources: Sources,
    *,
    has_modules: bool,
    frontend: Frontend | None = None,
) -> tuple[Take, ...]:
    """Return what goes into the last stage; node_modules first, as they change least.

    Of the folder of a *frontend*, what it builds comes from elsewhere, and nothing else is needed.
    """
    sourceless = frontend.package.folder if frontend else ""
    package, framework = found.package, found.framework
    at = f"{package.folder}/" if package.folder else ""
    extra = tuple(_take(app, name) for name in app.said.files)
    if is_standalone(found):
        return (*_next(app, found), *extra)
    whole = (Take("", ""),)
    if package.members or package.folder:
        if framework and framework.whole:
            return (*(Take(at + source, at + target) for source, target in framework.takes), *extra)
        return whole
    modules = (Take("node_modules", "node_modules"),) if has_modules else ()
    manifest = _take(app, "package.json")
    if framework and framework.takes:
        kept = [Take(source, target) for source, target in framework.takes]
        if framework.name == "remix" and app.has_folder("public"):
            kept.append(Take("public", "public"))
        return (*(() if framework.whole else (*modules, manifest)), *kept, *extra)
    if found.start.bin or file_position(found.start.words):
        return whole  # what a program of others reads, nobody here knows
    if not built.steps and not built.at_install:
        names = [name for name in _names(app, sources) if name != sourceless]
        named = (*modules, *(_take(app, name) for name in names), *extra)
        return named if len(names) <= _MOST and all(map(_is_plain, names)) else whole
    output = found.start.entry.split("/")[0]
    is_simple = (
        built.is_compile or (framework and framework.name == "nest")
    ) and "/" in found.start.entry
    if not is_simple or app.has_folder(output):
        return whole
    names = [
        name for name in _names(app, sources) if not _is_source(app, name) and name != sourceless
    ]
    if len(names) > _MOST or not all(map(_is_plain, names)):
        return whole
    kept_names = [*names, *([] if output in names else [output])]
    return (*modules, *(_take(app, name) for name in kept_names), *extra)


def _take(app: AppFolder, name: str) -> Take:
    return Take(name, name, is_file=app.has(name))


def _names(app: AppFolder, sources: Sources) -> Iterator[str]:
    """Yield what is at the top of the app, without what nothing reads as it runs."""
    for name in sorted(app.names):
        if not _NOT_TO_RUN.match(name) or (name[0] != "." and _is_named(name, sources)):
            yield name


def _is_named(name: str, sources: Sources) -> bool:
    """Whether a source is *name*, or names it as a file or folder."""
    if name in ("node_modules", "package-lock.json") or name.endswith((".pem", ".key")):
        return False
    stem = re.escape(name.removesuffix(".js"))
    pattern = re.compile(rf"""['"`/]{stem}(?:\.js)?['"`/]""")
    return name in sources.files or bool(sources.first(pattern))


def _is_plain(name: str) -> bool:
    return re.fullmatch(r"[\w.@+-]+", name) is not None


def _is_source(app: AppFolder, name: str) -> bool:
    """Whether *name* is what the build read, and nothing else: code, and no other file."""
    if app.has(name):
        return name.endswith((".ts", ".tsx", ".mts", ".cts"))
    for parent, folders, names in os.walk(f"{app.root}/{name}"):
        folders[:] = [
            one for one in folders if one not in ("node_modules", "__tests__", "test", "tests")
        ]
        if any(
            not one.endswith(_CODE) and one[0] != "." and not one.endswith((".md", ".json"))
            for one in names
        ):
            return False
        if (
            any(one.endswith((".js", ".mjs", ".cjs")) for one in names)
            and os.path.basename(parent) != "src"
        ):
            return name in ("src", "lib", "source")
    return True


def _next(app: AppFolder, found: Found) -> tuple[Take, ...]:
    """Return what Next's standalone output is made of."""
    folder = found.package.folder
    at = f"{folder}/" if folder else ""
    built = next_folder(app, folder)
    kept = [
        Take(f"{at}{built}/standalone", "", is_owned=True),
        Take(f"{at}{built}/static", f"{at}{built}/static"),
    ]
    if app.has_folder(f"{at}public"):
        kept.append(Take(f"{at}public", f"{at}public"))
    return tuple(kept)

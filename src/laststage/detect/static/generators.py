"""Generators of sites that are no JavaScript: those that Debian or PyPI has."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from laststage.detect.errors import UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import read_package
from laststage.detect.profile import Decision, Evidence
from laststage.detect.static.plain import health_path
from laststage.detect.static.profile import StaticProfile
from laststage.detect.static.settings import Settings, base_path

_TABLE = Path(__file__).with_name("generators.toml")
_HUGO = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config/_default/hugo.toml",
         "config/_default/hugo.yaml")  # fmt: skip
_OLD_HUGO = ("config.toml", "config.yaml", "config.yml", "config.json",
             "config/_default/config.toml", "config/_default/config.yaml")  # fmt: skip
_REQUIREMENTS = ("docs/requirements.txt", "requirements-docs.txt", "requirements_docs.txt",
                 "docs-requirements.txt", "requirements/docs.txt", "doc/requirements.txt",
                 "requirements.txt")  # fmt: skip
_OWN_DOCKERFILE = "write a Dockerfile for it and build with -f; laststage builds any of them"


def generator_profile(app: AppFolder) -> StaticProfile | None:
    """Return the profile of the site that a generator makes of the folder, None if none does.

    Raise UnsupportedAppError if its generator, or what that needs, can be had nowhere.
    """
    for read in (_hugo, _mkdocs, _mdbook, _zola, _jekyll, _pelican, _sphinx):
        if (found := read(app)) is not None:
            return found
    return None


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def _profile(
    app: AppFolder, tool: str, command: str, output: str, where: str, **more: Any
) -> StaticProfile:
    """Return the profile of what is the same for all generators, with *more* of one."""
    said = app.said
    decisions = (*more.pop("decisions", ()), *_output_decisions(app, tool, output))
    return StaticProfile(
        name=app.name,
        tool=tool,
        needs_sources=any(
            _has(app, path, r"^\s*(-|\.|\S+\s*@\s*file:)") for path in more.get("requirements", ())
        ),
        build=said.build or command,
        build_env={**more.pop("env", {}), **said.env},
        build_packages=tuple(sorted({*more.pop("apt", ()), *said.build_packages})),
        output=said.output.strip("/") or output,
        port=said.port or 8080,
        health=health_path(app),
        run_packages=said.packages,
        made=(f"/{output}",),
        evidence=(Evidence(f"{tool} makes the site", where), *more.pop("evidence", ())),
        decisions=decisions,
        **more,
    )


def _output_decisions(app: AppFolder, tool: str, output: str) -> tuple[Decision, ...]:
    found = app.said.output or output
    why = (
        "laststage.toml (or a flag) says so"
        if app.said.output
        else f"{tool} is told to leave it there"
    )
    return (
        Decision(f"served from {found}", why),
        Decision("404 for paths that are no files", f"{tool} makes a file for each page"),
    )


def is_hugo(app: AppFolder) -> str:
    """Return the settings file of Hugo, "" if the folder is none of its sites."""
    path = app.first(*_HUGO)
    if not path and any(app.has_folder(name) for name in ("archetypes", "layouts", "themes")):
        path = app.first(*_OLD_HUGO)
    return path if path and (app.has_folder("content") or app.has_folder("layouts")) else ""


def _hugo(app: AppFolder) -> StaticProfile | None:
    path = is_hugo(app)
    if not path or _has(app, path, r"\{%|^\s*base_url\s*="):
        return None
    theme = re.search(r"^\s*['\"]?theme['\"]?\s*[:=]\s*(.*)$", app.text(path), re.MULTILINE)
    for name in re.findall(r"[\w./-]+", theme[1]) if theme else ():
        if "/" not in name and not app.has_folder(f"themes/{name}/layouts"):
            _missing_theme(app, path, name)
    base = "the address of a site is not known as it is built; --baseURL in build = ... names one"
    return _profile(
        app, "Hugo", "hugo --minify --baseURL / --destination public", "public", path,
        apt=("hugo", "git") if _has(app, path, r"enableGitInfo") else ("hugo",),
        env={"HUGO_ENVIRONMENT": "production", "LANG": "C.UTF-8"},
        immutable=r"\.[0-9a-f]{64}\.\w+$",
        package=read_package(app),
        decisions=(Decision("links without the name of a server", base),),
    )  # fmt: skip


def _missing_theme(app: AppFolder, path: str, name: str) -> None:
    raise UnsupportedAppError(
        f"the theme {name} is not in themes/",
        where=app.where(path, r"theme"),
        hint="git submodule update --init --recursive, or put it there",
    )


def _zola(app: AppFolder) -> StaticProfile | None:
    path = "config.toml"
    if (
        not app.has(path)
        or not _has(app, path, r"^\s*base_url\s*=")
        or not app.has_folder("content")
    ):
        return None
    raise UnsupportedAppError(
        "this is a site for Zola, which neither Debian nor PyPI has",
        where=app.where(path, r"^\s*base_url"),
        hint=_OWN_DOCKERFILE,
    )


def _mdbook(app: AppFolder) -> StaticProfile | None:
    if not app.has("book.toml"):
        return None
    book = app.toml("book.toml")
    more = [name for name in book.get("preprocessor", {}) if name not in ("links", "index")]
    more += [name for name in book.get("output", {}) if name not in ("html", "markdown")]
    if more:
        raise UnsupportedAppError(
            f"the book wants mdbook-{more[0]}, which Debian does not have",
            where=app.where("book.toml", rf"^\[(preprocessor|output)\.{re.escape(more[0])}"),
            hint=_OWN_DOCKERFILE,
        )
    several = len(book.get("output", {})) > 1
    output = "book/html" if several else "book"
    return _profile(
        app, "mdBook", "mdbook build --dest-dir book", output, "book.toml", apt=("mdbook",)
    )


def _jekyll(app: AppFolder) -> StaticProfile | None:
    path = app.first("_config.yml", "_config.yaml", "_config.toml")
    gems = (
        re.findall(r"^\s*gem\s+['\"]([\w.-]+)", app.text("Gemfile"), re.MULTILINE)
        if app.has("Gemfile")
        else []
    )
    if not path or not (
        {"jekyll", "github-pages"}.intersection(gems)
        or any(app.has_folder(name) for name in ("_posts", "_layouts", "_includes", "_data"))
    ):
        return None
    settings = Settings(app, path)
    theme = settings.value("theme")
    remote = settings.value("remote_theme")
    listed = _yaml_names(app.text(path), ("plugins", "gems"))
    wanted = dict.fromkeys([*gems, *listed, *([theme.value] if theme and theme.value else [])])
    known, ignored = _table()["jekyll"]["gems"], _table()["jekyll"]["ignored"]
    for name in wanted:
        if name not in known and name not in ignored:
            raise UnsupportedAppError(
                f"Jekyll needs the gem {name} here, which Debian does not have",
                where=path if not app.has("Gemfile") else "Gemfile", hint=_OWN_DOCKERFILE,
            )  # fmt: skip
    if remote and remote.value:
        raise UnsupportedAppError(
            f"the theme {remote.value} comes from another repository as the site is built",
            where=remote.where, hint="put the theme's files into the site",
        )  # fmt: skip
    base = settings.value("baseurl")
    return _profile(
        app, "Jekyll", "jekyll build --destination _site", "_site", path,
        apt=("jekyll", *sorted({known[name] for name in wanted if name in known})),
        # gems are Debian's, whatever the Gemfile says of their versions
        env={"JEKYLL_ENV": "production", "JEKYLL_NO_BUNDLER_REQUIRE": "true", "LANG": "C.UTF-8"},
        base=base_path(base.value, of_address=False) if base and base.value else "/",
        decisions=(Decision("Debian's Jekyll and gems", "no version of the Gemfile is looked at"),),
    )  # fmt: skip


def _mkdocs(app: AppFolder) -> StaticProfile | None:
    path = app.first("mkdocs.yml", "mkdocs.yaml")
    if not path or not app.has_folder(_value(app, path, "docs_dir") or "docs"):
        return None
    requirements, modules, decisions = _python(app, "mkdocs", lambda: _mkdocs_modules(app, path))
    plugins = _yaml_names(app.text(path), ("plugins",))
    needs_git = any("git" in name for name in plugins)
    return _profile(
        app, "MkDocs", f"mkdocs build --config-file {path} --site-dir site", "site", path,
        requirements=requirements, modules=modules, decisions=decisions,
        apt=("git",) if needs_git else (), env={"LANG": "C.UTF-8"},
    )  # fmt: skip


def _mkdocs_modules(app: AppFolder, path: str) -> Iterable[str]:
    table, text = _table()["mkdocs"], app.text(path)
    theme = re.search(
        r"^theme:[ \t]*(?:\n(?:[ \t]+.*\n|\n)*?[ \t]+name:[ \t]*)?['\"]?([\w-]+)",
        text,
        re.MULTILINE,
    )
    yield from table["default"]
    if theme and theme[1] not in ("mkdocs", "readthedocs", "null"):
        yield table["themes"].get(theme[1], f"mkdocs-{theme[1]}")
    for name in _yaml_names(text, ("plugins",)):
        if name not in table["own"]:
            yield table["plugins"].get(name, f"mkdocs-{name}")
    for name in _yaml_names(text, ("markdown_extensions",)):
        if module := table["extensions"].get(name.partition(".")[0]):
            yield module


def _sphinx(app: AppFolder) -> StaticProfile | None:
    for folder in (".", "docs", "docs/source", "source", "doc", "doc/source"):
        path = posixpath.normpath(f"{folder}/conf.py")
        if not app.has(path) or not _has(
            app, path, r"^(extensions|html_theme|master_doc|project)\s*="
        ):
            continue
        if not app.first(
            *(posixpath.join(folder, f"index.{one}") for one in ("rst", "md", "ipynb"))
        ):
            continue
        requirements, modules, decisions = _python(
            app, "sphinx", lambda at=path: _sphinx_modules(app, at)
        )
        return _profile(
            app, "Sphinx", f"sphinx-build -b html {folder} site", "site", path,
            requirements=requirements, modules=modules, decisions=decisions, env={"LANG": "C.UTF-8"},
        )  # fmt: skip
    return None


def _sphinx_modules(app: AppFolder, path: str) -> Iterable[str]:
    table, settings = _table()["sphinx"], Settings(app, path)
    yield from table["default"]
    theme = settings.value("html_theme")
    if theme and theme.value in table["themes"]:
        yield table["themes"][theme.value]
    listed = re.search(r"^extensions\s*=\s*\[(.*?)\]", settings.bare, re.MULTILINE | re.DOTALL)
    for name in re.findall(r"['\"]([\w.]+)['\"]", listed[1]) if listed else ():
        if name in table["extensions"]:
            yield table["extensions"][name]


def _pelican(app: AppFolder) -> StaticProfile | None:
    if not app.has("pelicanconf.py"):
        return None
    requirements, modules, decisions = _python(app, "pelican", lambda: ("pelican[markdown]",))
    content = Settings(app, "pelicanconf.py").value("PATH")
    folder = (content.value if content else "") or ("content" if app.has_folder("content") else ".")
    return _profile(
        app, "Pelican", f"pelican {folder} --settings pelicanconf.py --output output", "output",
        "pelicanconf.py", requirements=requirements, modules=modules, decisions=decisions,
        env={"LANG": "C.UTF-8"},
    )  # fmt: skip


def _python(
    app: AppFolder, name: str, guess: Any
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Decision, ...]]:
    """Return the requirements files with the generator in them, or else modules to install."""
    for path in _REQUIREMENTS:
        if app.has(path) and re.search(rf"^{name}", app.text(path), re.MULTILINE | re.IGNORECASE):
            return (path,), (), ()
    modules = tuple(dict.fromkeys(guess()))
    why = "no requirements file lists it; this is what its settings need"
    return (), modules, (Decision(f"pip install {' '.join(modules)}", why),)


def is_python_site(app: AppFolder) -> bool:
    """Whether Python makes a site of the folder, and nothing in it is a program besides."""
    if (
        app.said.start
        or app.said.language == "python"
        or app.has("manage.py")
        or app.has("setup.py")
    ):
        return False
    if not app.first("mkdocs.yml", "mkdocs.yaml", "pelicanconf.py", "conf.py", "docs/conf.py",
                     "source/conf.py", "docs/source/conf.py"):  # fmt: skip
        return False
    own = re.compile(
        r"(^|/)(conf|pelicanconf|publishconf|tasks|hooks|main|macros|gen_\w+)\.py$|^(docs|doc|source|hooks|scripts|plugins|overrides|content|themes?|_ext)/"
    )
    return (
        all(own.search(path) for path in app.walk(".py", depth=4))
        and generator_profile(app) is not None
    )


def _yaml_names(text: str, keys: tuple[str, ...]) -> list[str]:
    """Return the names in the lists under the top-level *keys* of a YAML document."""
    found: list[str] = []
    for key in keys:
        flow = re.search(rf"^{key}:[ \t]*\[([^\]]*)\]", text, re.MULTILINE)
        if flow:
            found += re.findall(r"[\w./-]+", flow[1])
        block = re.search(
            rf"^{key}:[ \t]*(?:#.*)?\n((?:[ \t]*-.*\n?|[ \t]+.*\n?|[ \t]*\n|#.*\n)*)",
            text + "\n",
            re.MULTILINE,
        )
        if block:
            items = re.findall(r"^([ \t]*)-[ \t]+['\"]?([\w./-]+)", block[1], re.MULTILINE)
            depth = len(items[0][0]) if items else 0
            found += [name for indent, name in items if len(indent) == depth]
    return found


def _value(app: AppFolder, path: str, key: str) -> str:
    match = re.search(rf"^{key}:[ \t]*['\"]?([\w./-]+)", app.text(path), re.MULTILINE)
    return match[1].strip("./") if match else ""


def _has(app: AppFolder, path: str, pattern: str) -> bool:
    return re.search(pattern, app.text(path), re.MULTILINE) is not None

"""Django: its settings, its server's entry, its static files, and what it wants to be told."""

from __future__ import annotations

import posixpath
import re
from typing import Literal

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision, Evidence
from laststage.detect.python.requirements import Listed
from laststage.detect.python.sources import AppObject, variables_read

_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"'\],\s=]+(?:\(\s*)?[\"']([\w.]+)[\"']")
_URLS = re.compile(r"DATABASE|_DB$|_DSN$|POSTGRES_URL")
_BESIDE = re.compile(
    r"""["']NAME["']\s*:\s*(?:str\(|f?["'](?!/|:memory:)|os\.path\.join\(\s*)?\w*(?:BASE|ROOT|DIR|sqlite)"""
)
_NUMBERS = re.compile(r"(PORT|TIMEOUT|NUM\w*|COUNT|SIZE|AGE|SECONDS|LIMIT)$")


class DjangoSite(Struct, frozen=True, kw_only=True):
    """A Django project; *manage* is its manage.py, *thing* the object that a server is given."""

    manage: str
    settings: str
    thing: AppObject
    static: Literal["no", "yes", "if-set"]
    static_env: dict[str, str]
    needed: tuple[str, ...]
    writes: str = ""
    evidence: tuple[Evidence, ...]
    decisions: tuple[Decision, ...]


def find_django(app: AppFolder, listed: Listed, *, is_async: bool) -> DjangoSite | None:
    """Return the Django project in the folder, None if there is none."""
    manages = [p for p in app.walk("manage.py", depth=3) if posixpath.basename(p) == "manage.py"]
    if not manages:
        return None
    manage = min(manages, key=lambda path: (path.count("/"), path))
    named = _SETTINGS.search(app.text(manage))
    if named is None:
        return None
    root = posixpath.dirname(manage)
    module = _production(app, root, named[1])
    texts = _settings_texts(app, root, module)
    if not texts:
        return None
    whole = "\n".join(texts.values())
    path = next(iter(texts))
    thing = _entry(app, root, whole, module, is_async=is_async)
    static = _static(texts)
    static_env, needed = _environment(texts, module, named[1])
    evidence = (
        Evidence("Django's manage.py", app.where(manage, "DJANGO_SETTINGS_MODULE")),
        Evidence(f"settings {module}", path),
        Evidence(f"served as {thing.target}", thing.path),
    )
    return DjangoSite(
        manage=manage, settings=module, thing=thing, static=static, static_env=static_env,
        needed=needed,
        writes=path if _writes_beside(whole) else "", evidence=evidence, decisions=tuple(_decisions(whole, static, listed, needed)),
    )  # fmt: skip


def _writes_beside(settings: str) -> bool:
    """Whether the settings keep an SQLite database within the project."""
    return "backends.sqlite3" in settings and _BESIDE.search(settings) is not None


def _production(app: AppFolder, root: str, module: str) -> str:
    """Return the production settings beside local ones, if the project keeps several."""
    package, _, name = module.rpartition(".")
    if name in ("local", "dev", "development"):
        for other in ("production", "prod", "base"):
            if app.has(posixpath.join(root, f"{package}.{other}".replace(".", "/") + ".py")):
                return f"{package}.{other}"
    return module


def _settings_texts(app: AppFolder, root: str, module: str) -> dict[str, str]:
    """Return the settings and those of the project that they import, by path."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop(0)
        base = posixpath.join(root, name.replace(".", "/"))
        path = app.first(f"{base}.py", f"{base}/__init__.py")
        if not path or path in found:
            continue
        found[path] = app.text(path)
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        for relative, dotted in re.findall(
            r"^from (\.*)([\w.]*) import", found[path], re.MULTILINE
        ):
            if relative:
                waiting.append(f"{package}.{dotted}".strip("."))
            elif dotted.partition(".")[0] == module.partition(".")[0]:
                waiting.append(dotted)
    return found


def _entry(app: AppFolder, root: str, whole: str, module: str, *, is_async: bool) -> AppObject:
    """Return the WSGI or ASGI object that the settings name, else the one beside them."""
    kinds = [("ASGI_APPLICATION", "asgi", "django-asgi"), ("WSGI_APPLICATION", "wsgi", "django")]
    for setting, file, kind in kinds if is_async else reversed(kinds):
        named = re.search(rf"^{setting}\s*=\s*[\"']([\w.]+)\.(\w+)[\"']", whole, re.MULTILINE)
        dotted, name = (named[1], named[2]) if named else ("", "application")
        packages = [module.rpartition(".")[0], module.partition(".")[0]]
        for candidate in filter(None, [dotted, *(f"{package}.{file}" for package in packages)]):
            base = posixpath.join(root, candidate.replace(".", "/"))
            if path := app.first(f"{base}.py", f"{base}/__init__.py"):
                return AppObject(path, candidate, name, kind, 1)
    package = module.partition(".")[0]
    return AppObject(f"{package}/wsgi.py", f"{package}.wsgi", "application", "django", 1)


def _static(texts: dict[str, str]) -> Literal["no", "yes", "if-set"]:
    """Whether the settings name a folder for static files: in any case, or only in some."""
    found: Literal["no", "yes", "if-set"] = "no"
    for text in texts.values():
        if re.search(r"^STATIC_ROOT\s*=(?!\s*None\b)", text, re.MULTILINE):
            return "yes"
        if re.search(r"^\s+STATIC_ROOT\s*=", text, re.MULTILINE):
            found = "if-set"
    return found


def _environment(
    texts: dict[str, str], module: str, usual: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what settings have to find while static files are collected, and what they need later."""
    given: dict[str, str] = {} if module == usual else {"DJANGO_SETTINGS_MODULE": module}
    needed = []
    for text in texts.values():
        for variable in variables_read(text):
            name = variable.name
            is_secret = "SECRET" in name or name.endswith("_KEY")
            if variable.default is not None and not (is_secret and not variable.default):
                continue
            if not variable.is_needed and not is_secret and not _URLS.search(name):
                continue
            needed.append(name)
            if _URLS.search(name):
                given[name] = "sqlite:////tmp/none.sqlite3"
            elif _NUMBERS.search(name):
                given[name] = "1"
            else:
                given[name] = "only-to-collect-static-files"
    return given, tuple(dict.fromkeys(needed))


def _decisions(whole: str, static: str, listed: Listed, needed: tuple[str, ...]) -> list[Decision]:
    found = [
        Decision(
            "migrations are not run at start",
            "several containers would run them at once; run `manage.py migrate` once before a release",
        )
    ]
    if static != "no":
        found.append(
            Decision(
                "static files are collected in the build stage", "the settings name STATIC_ROOT"
            )
        )
    serves = listed.has("whitenoise") or "whitenoise" in whole
    if not serves and "django.contrib.staticfiles" in whole:
        found.append(
            Decision(
                "static files are not served by the app",
                "with DEBUG off Django leaves that to others: whitenoise, or a server before it",
            )
        )
    if re.search(r"^ALLOWED_HOSTS\s*(?::[^=]+)?=\s*\[\s*\]", whole, re.MULTILINE):
        found.append(
            Decision(
                "ALLOWED_HOSTS is empty",
                "with DEBUG off every request is answered with 400: name hosts",
            )
        )
    if needed:
        names = ", ".join(needed[:6])
        found.append(Decision(f"{names} must be set at run time", "the settings have no default"))
    return found


def has_only_asgi(listed: Listed) -> bool:
    """Whether the project is made for an asynchronous server: it lists one, and gunicorn not."""
    if listed.has("gunicorn", "waitress", "uwsgi"):
        return False
    return listed.has("daphne", "channels", "uvicorn", "hypercorn", "granian")

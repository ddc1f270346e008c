"""What files for hosts of static sites say: Netlify, Vercel, Firebase, Heroku, Cloud Foundry."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.profile import Evidence

_ALL = re.compile(
    r"^/?(\*|\*\*|\(\.\*\)|:path\*|\(\?!.*\)\.\*|\(\(\?!.*)$|^/\(\.\*\)$|^/:\w+\*$|^/\(\(\?!.*"
)


class Hosting(Struct, frozen=True, kw_only=True):
    """What such a file says, and *where*.

    *output* is the folder to serve; *falls_back* whether index.html is the answer for what is no
    file, None if nothing is said; *proxies* a file that sends requests on to another server.
    """

    output: str = ""
    where: str = ""
    falls_back: bool | None = None
    proxies: str = ""
    evidence: tuple[Evidence, ...] = ()


def hosting_of(app: AppFolder, folder: str) -> Hosting:
    """Return what the files for hosts in the app's *folder* say."""
    at = f"{folder}/" if folder else ""
    output, where, falls_back = "", "", None
    for name, read in (
        ("Staticfile", _staticfile), ("static.json", _static_json), ("netlify.toml", _netlify),
        ("vercel.json", _vercel), ("firebase.json", _firebase),
        ("public/_redirects", _redirects), ("static/_redirects", _redirects), ("_redirects", _redirects),
    ):  # fmt: skip
        path = f"{at}{name}"
        if not app.has(path):
            continue
        found, answer = read(app, path)
        if (found and not output) or (answer is not None and falls_back is None):
            where = where or path
        output = output or found
        falls_back = answer if falls_back is None else falls_back
    evidence = (Evidence("how it is to be served", where),) if where else ()
    return Hosting(output=output, where=where, falls_back=falls_back,
                   proxies=_proxies(app, at), evidence=evidence)  # fmt: skip


def _staticfile(app: AppFolder, path: str) -> tuple[str, bool | None]:
    text = app.text(path)
    root = re.search(r"^root:[ \t]*['\"]?([^'\"\n#]+)", text, re.MULTILINE)
    answer = re.search(r"^(?:index_fallback|pushstate):[ \t]*['\"]?(\w+)", text, re.MULTILINE)
    falls_back = answer[1].lower() in ("true", "enabled", "yes", "on") if answer else None
    return root[1].strip() if root else "", falls_back


def _static_json(app: AppFolder, path: str) -> tuple[str, bool | None]:
    document = _document(app, path)
    routes = document.get("routes")
    root = document.get("root")
    everything = isinstance(routes, dict) and "index.html" in str(routes.get("/**"))
    return root if isinstance(root, str) else "", everything or None


def _netlify(app: AppFolder, path: str) -> tuple[str, bool | None]:
    text = app.text(path)
    publish = re.search(r"^\s*publish\s*=\s*['\"]([^'\"]+)", text, re.MULTILINE)
    everything = re.search(
        r"from\s*=\s*['\"]/\*['\"]\s*\n\s*to\s*=\s*['\"]/(index\.html)?['\"]", text
    )
    return publish[1] if publish else "", True if everything else None


def _vercel(app: AppFolder, path: str) -> tuple[str, bool | None]:
    document = _document(app, path)
    output = document.get("outputDirectory")
    rules = [*_list(document.get("rewrites")), *_list(document.get("routes"))]
    for rule in rules:
        source = str(rule.get("source") or rule.get("src") or "")
        target = str(rule.get("destination") or rule.get("dest") or "")
        if _ALL.match(source) and target in ("/", "/index.html", "index.html"):
            return output if isinstance(output, str) else "", True
    return output if isinstance(output, str) else "", None


def _firebase(app: AppFolder, path: str) -> tuple[str, bool | None]:
    hosting = _document(app, path).get("hosting")
    hosting = hosting[0] if isinstance(hosting, list) and hosting else hosting
    if not isinstance(hosting, dict):
        return "", None
    rules = _list(hosting.get("rewrites"))
    everything = any(
        rule.get("source") == "**" and rule.get("destination") == "/index.html" for rule in rules
    )
    public = hosting.get("public")
    return public if isinstance(public, str) else "", everything or None


def _redirects(app: AppFolder, path: str) -> tuple[str, bool | None]:
    found = re.search(r"^/\*\s+/(index\.html)?\s+200", app.text(path), re.MULTILINE)
    return "", True if found else None


def _document(app: AppFolder, path: str) -> dict[str, Any]:
    from laststage.errors import UsageError

    try:
        return app.json(path)
    except UsageError:  # some of these hosts allow comments
        return {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _proxies(app: AppFolder, at: str) -> str:
    """Return a configuration of nginx that sends requests to another server, "" if there is none."""
    for name in ("nginx.conf", "default.conf", "nginx/nginx.conf", "nginx/default.conf",
                 ".nginx/nginx.conf", "nginx.default.conf", "conf/nginx.conf"):  # fmt: skip
        if app.has(at + name) and re.search(r"^\s*proxy_pass\b", app.text(at + name), re.MULTILINE):
            return f"{at}{name}"
    return ""

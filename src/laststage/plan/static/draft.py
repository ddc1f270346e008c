"""The Dockerfile for a static site: built in one stage, compressed there, served by nginx."""

from __future__ import annotations

import shlex

from laststage.detect.static.profile import StaticProfile
from laststage.plan.additions import Additions
from laststage.plan.javascript import (
    add_install,
    copy_manifests,
    ignored_lines,
    install_command,
    install_environment,
    mounts_of,
    node_stage,
)
from laststage.plan.plan import Draft
from laststage.plan.static.nginx import HASH, nginx_conf
from laststage.plan.writing import Stage, cache, dockerfile

NGINX = "nginxinc/nginx-unprivileged:1.26"
PYTHON = "python:3.13-slim-trixie"
DEBIAN = "debian:trixie-slim"
# not the folder that nginx comes with: that has a page in it
_ROOT = "/site"
# where files that nothing builds are compressed
_PLAIN = "/site"
_TEXTS = (
    "html", "htm", "css", "js", "mjs", "json", "svg", "xml", "txt", "md", "wasm", "webmanifest",
    "ico", "ttf", "otf", "eot", "csv", "geojson", "rss", "atom",
)  # fmt: skip
# Lines for tests that would take pages, or settings that others refer to, out of a site as well.
_TOO_BROAD = {
    "**/*.test.*": ("**/*.test.js", "**/*.test.jsx", "**/*.test.ts", "**/*.test.tsx"),
    "**/*.spec.*": ("**/*.spec.js", "**/*.spec.jsx", "**/*.spec.ts", "**/*.spec.tsx"),
    "**/coverage": ("/coverage",),
    "**/cypress": ("/cypress",),
    "**/playwright-report": ("/playwright-report",),
}
# What is no part of a site of plain files.
_NOT_SITE = (
    "**/.*", "!.well-known", "**/node_modules", "package.json", "package-lock.json", "yarn.lock",
    "pnpm-lock.yaml", "Staticfile", "Procfile", "Makefile", "netlify.toml", "vercel.json",
    "fly.toml", "render.yaml", "railway.json", "railpack.json", "nixpacks.toml", "app.json",
    "nginx.conf", "README*", "CONTRIBUTING*", "CODE_OF_CONDUCT*", "CHANGELOG*",
)  # fmt: skip


def draft(profile: StaticProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: a stage that builds the site, and nginx with its files."""
    build = _build_stage(profile)
    site = _site(profile)
    if profile.build and profile.output:
        _check(build, profile, site)
    elif profile.build:
        _search(build, profile)
    _compress(build, site)
    _configure(build, profile, site)
    build.collect(profile, additions)
    last = Stage(
        NGINX,
        why="nginx, without a shell: it writes to its output and below /tmp, and nowhere else.",
    )
    last.add(f"COPY --from=build {site}/ {_ROOT}{profile.base}")
    last.add("COPY --from=build /default.conf /etc/nginx/conf.d/default.conf")
    last.comment("at this signal it answers what it was asked before it ends")
    last.add("STOPSIGNAL SIGQUIT")
    last.finish(profile, additions, build_stage="build", entrypoint=["nginx", "-g", "daemon off;"])
    return Draft(dockerfile=dockerfile(_intro(profile), build, last), ignored=_ignored(profile))


def _intro(profile: StaticProfile) -> list[str]:
    made = f"built by {profile.tool}" if profile.build else "as it is"
    return [
        f"The site {profile.name}, {made} in one stage, served by nginx from another.",
        "Build it with laststage, or with any other builder.",
    ]


def _build_stage(profile: StaticProfile) -> Stage:
    if not profile.build:
        return _plain_stage(profile)
    return _node_stage(profile) if profile.package else _other_stage(profile)


def _node_stage(profile: StaticProfile) -> Stage:
    package = profile.package
    assert package is not None
    stage = node_stage(package, apt=profile.build_packages)
    # what npm is told goes before the install
    early = {k: v for k, v in profile.build_env.items() if k.lower().startswith("npm_config_")}
    if "g++" in profile.build_packages:
        # add-ons are compiled with the headers that come with Node
        early["npm_config_nodedir"] = "/usr/local"
    stage.env(early)
    if profile.modules:
        copy_manifests(stage, package)
        more = f"npm install --no-save --no-audit --no-fund {' '.join(profile.modules)}"
        stage.run([install_command(package), more], mounts=mounts_of(package))
        if not package.needs_sources:
            stage.add("COPY . .")
    else:
        add_install(stage, package)
    known = {**install_environment(package), **early}
    stage.env({k: v for k, v in profile.build_env.items() if k not in known})
    stage.run(profile.build, mounts=mounts_of(package) if " install" in profile.build else [])
    return stage


def _other_stage(profile: StaticProfile) -> Stage:
    is_python = bool(profile.requirements or profile.modules)
    stage = Stage(PYTHON if is_python else DEBIAN, "build")
    stage.install((*profile.build_packages, *profile.run_packages))
    stage.add("WORKDIR /app")
    if is_python and not profile.needs_sources:
        stage.comment("The generator changes less often than the pages: installed first.")
        folders = {
            path: f"./{path.rpartition('/')[0]}".rstrip("/") + "/" for path in profile.requirements
        }
        stage.add(*(f"COPY {path} {folder}" for path, folder in folders.items()))
    else:
        stage.add("COPY . .")
    if is_python:
        wanted = [
            *(f"-r {path}" for path in profile.requirements),
            *map(shlex.quote, profile.modules),
        ]
        stage.run(f"pip install {' '.join(wanted)}", mounts=[cache("/root/.cache/pip")])
        if not profile.needs_sources:
            stage.add("COPY . .")
    stage.env(profile.build_env)
    stage.run(profile.build)
    return stage


def _plain_stage(profile: StaticProfile) -> Stage:
    stage = Stage(DEBIAN, "build")
    stage.install((*profile.build_packages, *profile.run_packages))
    folder = "." if profile.output == "." else f"{profile.output}/"
    stage.add(f"COPY {folder} {_PLAIN}/")
    return stage


def _site(profile: StaticProfile) -> str:
    """Return the folder of the site in the build stage."""
    if not profile.build or not profile.output:
        return _PLAIN
    return f"/app/{profile.output}".removesuffix("/.").rstrip("/")


def _check(stage: Stage, profile: StaticProfile, site: str) -> None:
    """Add the step that stops a build that left no site where one is looked for."""
    page = shlex.quote(f"{site}/{profile.index}")
    told = (
        f"the build left no {profile.output}/{profile.index}: "
        "say where the site is, output = FOLDER under [app] of laststage.toml"
    )
    stage.add(f"RUN test -f {page} || \\", f'    {{ echo "{told}" >&2; exit 1; }}')


def _search(stage: Stage, profile: StaticProfile) -> None:
    """Add the step that takes the site from the first folder that has one."""
    package = profile.package
    folder = f"/app/{package.folder}".rstrip("/") if package else "/app"
    told = "say where the site is, output = FOLDER under [app] of laststage.toml"
    stage.comment("Nothing tells where the build leaves the site.")
    stage.add(
        "RUN for folder in dist build out public _site www . docs; do \\",
        f'        if [ -f "{folder}/$folder/index.html" ]; then \\',
        f'            rm -rf {folder}/node_modules && cp -a "{folder}/$folder" {_PLAIN} && exit; \\',
        "        fi; \\",
        "    done; \\",
        f'    echo "the build left no index.html: {told}" >&2; exit 1',
    )


def _compress(stage: Stage, site: str) -> None:
    folder = shlex.quote(site)
    texts = "\\|".join(_TEXTS)
    stage.comment("Compressed here, once, as well as gzip can; readable for whoever nginx runs as.")
    stage.run(
        [
            f"find {folder} -type f -size +1k -regex '.*\\.\\({texts}\\)' -exec gzip -9nkf {{}} +",
            f"chmod -R a+rX {folder}",
        ]
    )


def _configure(stage: Stage, profile: StaticProfile, site: str) -> None:
    lines = [f"{_in_quotes(line)} \\" for line in nginx_conf(profile)]
    files = f"find {shlex.quote(site)} -type f -print0 | LC_ALL=C sort -z"
    stage.add("RUN printf '%s\\n' \\", *(f"    {line}" for line in lines), "    > /default.conf")
    stage.run(
        [
            f"site=$({files} | xargs -0 sha256sum | sha256sum | cut -c -16)",
            f'sed -i "s/{HASH}/$site/" /default.conf',
        ]
    )


def _in_quotes(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


def _ignored(profile: StaticProfile) -> tuple[str, ...]:
    if not profile.build:
        return (*_NOT_SITE, *profile.made, *(f"!{path}" for path in profile.files))
    lines: list[str] = []
    if profile.package:
        for line in ignored_lines(profile.package):
            lines += _TOO_BROAD.get(line, (line,))
    return (*lines, *profile.made)

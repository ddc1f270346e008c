"""How a plan installs what a Python app depends on, and the app itself."""

from __future__ import annotations

import os

from laststage.detect.python.profile import LOCKS, PythonProfile
from laststage.detect.python.versions import RELEASES
from laststage.plan.frontend import copied
from laststage.plan.writing import APT_CACHES, Stage, cache

_PIP = "pip install --no-compile"
_CACHE = cache("/root/.cache/pip")
_CONSTRAINTS = "/tmp/constraints.txt"  # noqa: S108
_SCRIPTS = os.path.join(os.path.dirname(__file__), "export")


def interpreter(profile: PythonProfile) -> str:
    """Return the path of the builder's interpreter, which has pip; the environment's has none."""
    folder = "/usr/bin" if profile.version in RELEASES else "/usr/local/bin"
    return f"{folder}/python{profile.version}"


def add_installation(stage: Stage, profile: PythonProfile) -> None:
    """Add the steps that install the dependencies into the environment."""
    if profile.needs_sources:
        stage.add("COPY . .")
    elif profile.manifest_files:
        stage.comment(
            "Dependencies change less often than sources: installed first, kept in a cache."
        )
        _copy(stage, profile.manifest_files)
    if profile.manifest in LOCKS:
        _install_lock(stage, profile)
    elif profile.manifest == "requirements":
        _install_requirements(stage, profile)
    elif profile.manifest in ("pyproject", "pipfile"):
        _install_wanted(stage, profile)
    elif profile.manifest == "project":
        names = " ".join(_quoted(name) for name in profile.more)
        stage.run(f"{_PIP} . {names}".rstrip(), mounts=[_CACHE])
    elif profile.manifest == "imports" or profile.more:
        names = " ".join(_quoted(name) for name in (*profile.lists, *profile.more))
        stage.run(f"{_PIP} {names}", mounts=[_CACHE])
    if profile.manifest != "none" or profile.more:
        _add_setuptools(stage, profile)
        if not profile.is_package:
            _tidy(stage, profile)


def add_project(stage: Stage, profile: PythonProfile) -> None:
    """Add the steps that build the app itself: its own package, static files, byte code."""
    if not profile.needs_sources:
        stage.add("COPY . .")
    for path in profile.frontend.served if profile.frontend else ():
        stage.add(copied(path, f"/src/{path}"))
    if profile.is_package:
        if profile.manifest != "project":
            stage.comment(
                "The app's own package. It is built from a copy, which keeps the sources clean."
            )
            stage.run(
                [
                    "cp -a /src /tmp/package",
                    f"{_PIP} --no-deps /tmp/package",
                    "rm -rf /tmp/package",
                ],
                mounts=[_CACHE],
            )
        _tidy(stage, profile)
    if profile.build:
        stage.run(profile.build)
    if profile.manage and profile.static != "no":
        _collect(stage, profile)
    if not profile.is_only_package:
        stage.comment(
            "Byte code that is valid whatever the time stamps say; the paths in it are the last stage's."
        )
        stage.run(
            "python -m compileall -q --invalidation-mode unchecked-hash -s /src -p /app /src || true"
        )


def _copy(stage: Stage, paths: tuple[str, ...]) -> None:
    """Add COPYs of *paths* that keep the folders they are in."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, names in folders.items():
        stage.add(f"COPY {' '.join(names)} ./{folder}{'/' if folder else ''}")


def _script(*names: str) -> str:
    texts = []
    for name in names:
        with open(f"{_SCRIPTS}/{name}.script", encoding="utf-8") as file:
            texts.append(file.read())
    return "".join(texts)


def _run_script(stage: Stage, profile: PythonProfile, *names: str) -> None:
    """Add a step that runs a script with the builder's interpreter.

    It stands line by line, not as a heredoc, which Docker before version 23 cannot read.
    """
    escaped = (line.replace("'", "'\"'\"'") for line in _script(*names).splitlines())
    lines = [f"    '{line}' \\" for line in escaped]
    stage.add("RUN printf '%s\\n' \\", *lines, f"    | {interpreter(profile)} -")


def _install_lock(stage: Stage, profile: PythonProfile) -> None:
    stage.comment(
        f"{profile.lists[0]} as a list for pip, of what it pins for this machine, with all hashes.",
        "pip resolves nothing, and refuses a file with another hash.",
    )
    # pip's own modules read the markers, so it is the builder's interpreter that runs this
    _run_script(stage, profile, "common", profile.manifest, "finish")
    install = f"{_PIP} --no-deps"
    commands = [
        f"{{ [ ! -s /tmp/locked.txt ] || {install} --require-hashes -r /tmp/locked.txt; }}",
        f"{{ [ ! -s /tmp/other.txt ] || {install} -r /tmp/other.txt; }}",
    ]
    if profile.more:
        commands.append(f"{_PIP} {' '.join(map(_quoted, profile.more))}")
    stage.run(commands, mounts=[_CACHE])


def _install_requirements(stage: Stage, profile: PythonProfile) -> None:
    lists = [path for path in profile.manifest_files if path.endswith((".txt", ".in"))]
    changes = []
    if profile.left_out:
        names = "|".join(profile.left_out)
        changes.append(f"-e '/^({names})[^a-z-]/Id' -e '/^({names})$/Id'")
    if profile.needs_sources:
        changes.append(r"-e 's/^(-e|--editable)[ =]+(\.|\/|file:)/\2/'")
    if changes:
        if profile.left_out:
            stage.comment(f"Not for Linux: {', '.join(profile.left_out)}.")
        if profile.needs_sources:
            stage.comment("What is installed in editable form would be a link to this stage.")
        stage.run(f"sed -E -i {' '.join(changes)} {' '.join(lists)}")
    named = " ".join(f"-r {path}" for path in profile.lists)
    if "gcc" in profile.build_packages and not profile.has_hashes:
        stage.comment(
            "What is compiled is older than the setuptools that no longer has pkg_resources."
        )
        stage.run(f"echo 'setuptools<81' > {_CONSTRAINTS}")
        stage.env({"PIP_CONSTRAINT": _CONSTRAINTS})
    more = " ".join(map(_quoted, profile.more))
    if more and profile.has_hashes:
        stage.run([f"{_PIP} {named}", f"{_PIP} {more}"], mounts=[_CACHE])
    else:
        stage.run(f"{_PIP} {named} {more}".rstrip(), mounts=[_CACHE])


def _install_wanted(stage: Stage, profile: PythonProfile) -> None:
    script = {"pipfile": "pipfile", "pyproject": "pyproject"}[profile.manifest]
    if profile.has_poetry:
        script = "poetry-project"
    stage.comment(f"The dependencies that {profile.lists[0]} lists, without the app itself.")
    _run_script(stage, profile, script)
    more = " ".join(map(_quoted, profile.more))
    stage.run(f"{_PIP} -r /tmp/wanted.txt {more}".rstrip(), mounts=[_CACHE])


def _add_setuptools(stage: Stage, profile: PythonProfile) -> None:
    gone = "pkg_resources" if profile.version == "3.11" else "(pkg_resources|distutils)"
    builders = ("setuptools", "_distutils_hack", "cffi", "Cython", "numpy")
    excluded = " ".join(f"--exclude-dir={name}" for name in builders)
    search = f"grep -rqE '^(import|from) {gone}' --include='*.py' \\\n      {excluded} ."
    stage.comment("Old packages import what only setuptools brings, and do not ask for it.")
    stage.run(
        [
            f"cd {_site(profile)}",
            f"if [ ! -d pkg_resources ] && {search}; then {_PIP} 'setuptools<81'; fi",
        ],
        mounts=[_CACHE],
    )


def _strip(stage: Stage, profile: PythonProfile) -> None:
    """Add the step that drops the debug information of large native modules, if any has it.

    A module that looks for libraries beside itself was edited after it was linked; strip has broken
    such files, so they stay as they are. Without a strip to be had, so do all.
    """
    stage.comment(
        "Some wheels bring native modules with their debug information, most of the file: nothing",
        "reads it here. (Those with $ORIGIN were edited after they were linked: better left alone.)",
    )
    find = "find . -name '*.so' -size +400k -exec grep -lF .debug_info {} +"
    install = "apt-get update && apt-get install -y --no-install-recommends binutils"
    has_strip = f"{{ command -v strip > /dev/null || {{ {install}; }}; }}"
    stage.run(
        [
            f"cd {_site(profile)}",
            f"large=$({find} | xargs -r grep -LF '$ORIGIN' || true)",
            f'if [ -n "$large" ] && {has_strip}; then strip --strip-unneeded $large; fi',
        ],
        mounts=APT_CACHES,
    )


def _tidy(stage: Stage, profile: PythonProfile) -> None:
    _strip(stage, profile)
    search = "grep -rqE '^ *(from|import) .*\\btests\\b' --include='*.py' --exclude-dir=tests \"$package\""
    remove = '\\\n      find "$package" -type d -name tests -prune -exec rm -rf {} +'
    stage.comment(
        "Tests of packages stay behind, unless something imports them, and so do the sources of",
        "translations, programs for Windows, what extends a Jupyter that is not there, and what is",
        "for interactive shells. Then byte code, made once, and valid whatever the time stamps say.",
    )
    stage.run(
        [
            f"cd {_site(profile)}",
            f'for package in */; do [ -d "$package" ] || continue; {search} || {remove}; done',
            "find . '(' -name '*.po' -o -name '*.exe' ')' -delete",
            "{ [ -d jupyter_core ] || rm -rf ../../../share/jupyter ../../../etc/jupyter; }",
            "rm -f ../../../bin/[Aa]ctivate* ../../../.gitignore",
            "{ python -m compileall -q --invalidation-mode unchecked-hash . || true; }",
        ]
    )


def _collect(stage: Stage, profile: PythonProfile) -> None:
    """Add the step that collects Django's static files."""
    given = "".join(f"{name}={_quoted(value)} " for name, value in profile.static_env.items())
    if given:
        stage.comment("Collecting reads the settings; these values are for this step alone.")
    collect = f"python {profile.manage} collectstatic --noinput"
    if profile.static == "if-set":
        asks = f"python {profile.manage} diffsettings --all | grep -q '^STATIC_ROOT = .*/'"
        stage.run(
            [*([f"export {given}".rstrip()] if given else []), f"if {asks}; then {collect}; fi"]
        )
    else:
        stage.run(f"{given}{collect}")


def _site(profile: PythonProfile) -> str:
    return f"/app/.venv/lib/python{profile.version}/site-packages"


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)

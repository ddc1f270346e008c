"""The Dockerfile for a Python app: an environment made in one stage, run on a distroless Python."""

from __future__ import annotations

from laststage.detect.python.profile import PythonProfile
from laststage.detect.python.versions import RELEASES
from laststage.plan.additions import Additions
from laststage.plan.frontend import frontend_stage, kept_lines
from laststage.plan.plan import Draft
from laststage.plan.python.install import add_installation, add_project
from laststage.plan.python.interpreter import add_interpreter
from laststage.plan.writing import Stage, dockerfile

VENV = "/app/.venv"
_SUITES = {"13": "trixie", "12": "bookworm"}
_USER = "65532:65532"
# Made on other machines, or by tools that no build needs.
_IGNORED = (
    "**/__pycache__",
    "**/*.py[co]",
    "**/.venv",
    "/venv",
    "/env",
    "/virtualenv",
    "**/.pytest_cache",
    "**/.mypy_cache",
    "**/.ruff_cache",
    "**/.tox",
    "**/.nox",
    "**/.coverage*",
    "**/htmlcov",
    "**/*.egg-info",
    "**/.ipynb_checkpoints",
    "**/node_modules",
)


def draft(profile: PythonProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: two stages, the second one distroless."""
    # what the look found to be missing is installed last, so that nothing before it runs again
    late = set(additions.packages)
    early = {*profile.build_packages, *profile.run_packages} - late
    build = _build_stage(profile, early)
    build.install(late)
    build.collect(profile, additions)
    last = _last_stage(profile, additions)
    intro = [
        f"The Python app {profile.name}: installed in one stage, run from another that has the",
        "interpreter, what the app depends on and the app, and nothing else.",
        "Build it with laststage, or with any other builder.",
    ]
    frontend = profile.frontend
    stages = [*([frontend_stage(frontend)] if frontend else []), build, last]
    kept = kept_lines(frontend) if frontend else ()
    return Draft(dockerfile=dockerfile(intro, *stages), ignored=(*_IGNORED, *kept))


def _suite(profile: PythonProfile) -> str:
    return _SUITES[RELEASES.get(profile.version, "13")]


def _build_stage(profile: PythonProfile, packages: set[str]) -> Stage:
    stage = Stage(f"python:{profile.version}-slim-{_suite(profile)}", "build")
    stage.install(packages)
    python = f"python{profile.version}"
    stage.comment(
        "The environment stands where it will run, and its interpreter too. It has no pip of its own:"
        if profile.version in RELEASES
        else "The environment stands where it will run. It has no pip of its own:",
        "the builder's installs into it, so that none is left in the image.",
    )
    if profile.version in RELEASES:
        at = f"/usr/bin/{python}"
        stage.run(
            [
                f'{{ [ -e {at} ] || ln -s "$(command -v {python})" {at}; }}',
                f"{at} -m venv --without-pip {VENV}",
            ]
        )
    else:
        stage.run(f"/usr/local/bin/{python} -m venv --without-pip {VENV}")
    stage.env(
        {
            "PATH": f"{VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PIP_PYTHON": f"{VENV}/bin/python",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
        }
    )
    stage.comment("Another index than pip's own: --build-arg PIP_INDEX_URL=...")
    stage.add("ARG PIP_INDEX_URL", "WORKDIR /src")
    add_installation(stage, profile)
    add_project(stage, profile)
    if profile.version not in RELEASES:
        add_interpreter(stage, profile.version)
    return stage


def _last_stage(profile: PythonProfile, additions: Additions) -> Stage:
    release = RELEASES.get(profile.version)
    if release:
        stage = Stage(f"gcr.io/distroless/python3-debian{release}:nonroot")
    else:
        base = additions.base or "base"
        stage = Stage(f"gcr.io/distroless/{base}-debian13:nonroot")
        stage.comment("the builder's own interpreter, as no base has this version")
        stage.add("COPY --from=build /python/ /")
    environment = f"COPY --from=build {VENV} {VENV}"
    if profile.is_only_package:
        stage.add(environment)
    elif profile.writes:
        stage.comment(
            "It writes into its own folder, so that belongs to the user it runs as: copied first,",
            "as it is who makes a folder that says whose it is.",
        )
        stage.add(f"COPY --from=build --chown={_USER} /src /app", environment)
    else:
        stage.add(environment, "COPY --from=build /src /app")
    stage.add("WORKDIR /app" + (f"/{profile.folder}" if profile.folder else ""))
    stage.finish(profile, additions, build_stage="build", entrypoint=_entrypoint(profile))
    return stage


def _entrypoint(profile: PythonProfile) -> list[str]:
    if not profile.is_program:
        return [f"{VENV}/bin/python", *profile.start]
    program, *rest = profile.start
    return [program if "/" in program else f"{VENV}/bin/{program}", *rest]

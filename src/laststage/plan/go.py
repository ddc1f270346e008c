"""The Dockerfile for a Go program: built static, run on ``static``."""

from __future__ import annotations

from laststage.detect.go import GoProfile
from laststage.plan.additions import Additions
from laststage.plan.plan import Draft
from laststage.plan.writing import OPTIONAL, Stage, cache, dockerfile

# What trixie has, in whatever patch release. A module that asks for a later Go gets it through the
# Go toolchain mechanism, whose downloads Go itself verifies; where none is needed, none is loaded.
BUILDER_VERSION = (1, 24)
# What stands at the root of a base already, and is no place for a program of that name.
_FOLDERS = frozenset(
    ("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root",
     "run", "sbin", "srv", "sys", "tmp", "usr", "var")
)  # fmt: skip


def draft(profile: GoProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: two stages, the second one distroless."""
    build = _build_stage(profile)
    needs = profile.needs if additions.needs is None else additions.needs
    last = Stage(
        "gcr.io/distroless/static-debian13:nonroot",
        omit=[name for name in OPTIONAL if name not in needs],
    )
    program = _program_path(profile)
    last.add(f"COPY --from=build /out/{profile.name} {program}")
    last.finish(profile, additions, build_stage="build", entrypoint=[program])
    intro = [
        f"The Go program {profile.name}, built in one stage, run from another with nothing else in it.",
        "Build it with laststage, or with any other builder.",
    ]
    return Draft(
        dockerfile=dockerfile(intro, build, last),
        program=program,
        needs=needs,
        ignored=_ignored(profile),
    )


def _build_stage(profile: GoProfile) -> Stage:
    version = ".".join(map(str, BUILDER_VERSION))
    modules, compiled = cache("/go/pkg/mod"), cache("/root/.cache/go-build")
    stage = Stage(f"golang:{version}-trixie", "build")
    stage.add("WORKDIR /src", "ENV CGO_ENABLED=0")
    if _later(profile.version):
        stage.add("ENV GOTOOLCHAIN=auto")
    if profile.has_dependencies and not profile.vendored and not profile.has_local_modules:
        stage.comment(
            "The modules change less often than the sources: fetched first, kept in the cache."
        )
        stage.add("COPY go.mod go.sum ./")
        stage.run("go mod download", mounts=[modules])
    stage.add("COPY . .")
    stage.run(
        'go build -trimpath -buildvcs=false -ldflags="-s -w -buildid=" '
        f"-o /out/{profile.name} {profile.package}",
        mounts=[modules, compiled],
    )
    return stage


def _program_path(profile: GoProfile) -> str:
    return f"/usr/local/bin/{profile.name}" if profile.name in _FOLDERS else f"/{profile.name}"


def _ignored(profile: GoProfile) -> tuple[str, ...]:
    tests = ("**/*_test.go", "**/testdata")
    if profile.package == ".":
        # the program as `go build` leaves it here, but not a folder of packages with its name
        return (f"/{profile.name}", f"!/{profile.name}/**", *tests)
    if not f"{profile.package}/".startswith("./bin/"):
        return ("/bin", *tests)
    return tests


def _later(version: str) -> bool:
    if not version:
        return False
    major, minor, patch, *_ = (*map(int, version.split(".")), 0)
    return (major, minor, patch) > (*BUILDER_VERSION, 0)

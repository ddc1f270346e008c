"""The Dockerfile for a Go program: built static, run on ``static``."""

from __future__ import annotations

from laststage.detect.profile import GoProfile

# What trixie has, in whatever patch release. A module that asks for a later Go gets it through the
# Go toolchain mechanism, whose downloads Go itself verifies; where none is needed, none is loaded.
BUILDER_VERSION = (1, 24)
# What stands at the root of a base already, and is no place for a program of that name.
_FOLDERS = frozenset(
    ("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root",
     "run", "sbin", "srv", "sys", "tmp", "usr", "var")
)  # fmt: skip
OPTIONAL = ("ca-certificates", "media-types", "netbase", "tzdata")


def go_dockerfile(profile: GoProfile) -> str:
    """Return the Dockerfile for *profile*: two stages, the second one distroless."""
    version = ".".join(map(str, BUILDER_VERSION))
    caches = [
        "--mount=type=cache,target=/go/pkg/mod",
        "--mount=type=cache,target=/root/.cache/go-build",
    ]
    lines = [
        f"# The Go program {profile.name}, built in one stage, run from another with nothing else in it.",
        "# Build it with laststage, or with any other builder.",
        "",
        f"FROM golang:{version}-trixie AS build",
        "WORKDIR /src",
        "ENV CGO_ENABLED=0",
    ]
    if _later(profile.version):
        lines.append("ENV GOTOOLCHAIN=auto")
    if profile.has_dependencies and not profile.vendored and not profile.has_local_modules:
        lines += [
            "# The modules change less often than the sources: fetched first, kept in the cache.",
            "COPY go.mod go.sum ./",
            _run([caches[0]], "go mod download"),
        ]
    build = (
        'go build -trimpath -buildvcs=false -ldflags="-s -w -buildid=" '
        f"-o /out/{profile.name} {profile.package}"
    )
    lines += ["COPY . .", _run(caches, build), ""]
    omitted = [name for name in OPTIONAL if name not in profile.needs]
    if omitted:
        lines += [
            f"# laststage: omit={','.join(omitted)}",
        ]
    lines += [
        "FROM gcr.io/distroless/static-debian13:nonroot",
        f"COPY --from=build /out/{profile.name} {program_path(profile)}",
        f'ENTRYPOINT ["{program_path(profile)}"]',
    ]
    return "\n".join(lines) + "\n"


def program_path(profile: GoProfile) -> str:
    """Return where the program stands in the last stage."""
    return f"/usr/local/bin/{profile.name}" if profile.name in _FOLDERS else f"/{profile.name}"


def _later(version: str) -> bool:
    if not version:
        return False
    major, minor, patch, *_ = (*map(int, version.split(".")), 0)
    return (major, minor, patch) > (*BUILDER_VERSION, 0)


def _run(mounts: list[str], command: str) -> str:
    return "RUN " + " \\\n    ".join([*mounts, command])

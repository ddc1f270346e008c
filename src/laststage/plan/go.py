"""The Dockerfile for a Go program: built static, run on ``static``."""

from __future__ import annotations

from laststage.detect.profile import GoProfile

# What trixie has. A module that asks for a later Go gets it through the Go toolchain mechanism,
# whose downloads Go itself verifies.
BUILDER_VERSION = (1, 24)
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
    if profile.has_dependencies and not profile.vendored:
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
        f"COPY --from=build /out/{profile.name} /{profile.name}",
        f'ENTRYPOINT ["/{profile.name}"]',
    ]
    return "\n".join(lines) + "\n"


def _later(version: str) -> bool:
    return bool(version) and tuple(map(int, version.split("."))) > BUILDER_VERSION


def _run(mounts: list[str], command: str) -> str:
    return "RUN " + " \\\n    ".join([*mounts, command])

"""The Dockerfile for a Go program: built static where it can be, run on as little as it needs."""

from __future__ import annotations

import posixpath

from laststage.detect.go.app import GoProfile
from laststage.plan.additions import Additions
from laststage.plan.frontend import copied, frontend_stage, kept_lines
from laststage.plan.plan import Draft
from laststage.plan.writing import OPTIONAL, Stage, cache, dockerfile

# The builders that there are, in whatever patch release. A module that asks for a later Go gets it
# through the Go toolchain mechanism, whose downloads Go itself verifies; where none is needed, none
# is loaded.
_BUILDERS = ((1, 24), (1, 25), (1, 26), (1, 27))
# What the builder has beside Go; a program of Go alone needs none of it.
_TOOLS = ("c-compiler", "tools", "vcs")
# What stands at the root of a base already, and is no place for a program of that name.
_FOLDERS = frozenset(
    ("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc",
     "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var")
)  # fmt: skip
_WRITABLE = "/home/nonroot"
_NONROOT = "65532:65532"


def draft(profile: GoProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: two stages, the second one distroless."""
    is_dynamic = bool(additions.base) or (profile.cgo is not None and not profile.cgo.static)
    build = _build_stage(profile)
    build.collect(profile, additions)
    needs = profile.needs if additions.needs is None or is_dynamic else additions.needs
    base = additions.base or ("base-nossl" if is_dynamic else "static")
    last = Stage(
        f"gcr.io/distroless/{base}-debian13:nonroot",
        omit=[name for name in OPTIONAL if name not in needs],
    )
    program = _program_path(profile)
    last.add(f"COPY --from=build /out/{profile.name} {program}")
    _copy_files(last, profile)
    last.finish(profile, additions, build_stage="build", entrypoint=[program, *profile.arguments])
    intro = [
        f"The Go program {profile.name}, built in one stage, run from another with nothing else in it.",
        "Build it with laststage, or with any other builder.",
    ]
    first = [frontend_stage(profile.frontend)] if profile.frontend else []
    return Draft(
        dockerfile=dockerfile(intro, *first, build, last),
        program="" if is_dynamic else program,
        needs=needs,
        ignored=_ignored(profile),
    )


def _build_stage(profile: GoProfile) -> Stage:
    modules, compiled = cache("/go/pkg/mod"), cache("/root/.cache/go-build")
    builder, asks = _builder(profile.version)
    if profile.resolve or (profile.initiate and profile.needs):
        # the newest versions of modules ask for the newest Go
        builder = ".".join(map(str, _BUILDERS[-1]))
    omitted = [name for name in _TOOLS if profile.cgo is None or name != "c-compiler"]
    if profile.build:
        omitted = []
    stage = Stage(f"golang:{builder}-trixie", "build", omit=omitted)
    stage.install((*profile.build_packages, *profile.run_packages))
    folder = profile.folder
    stage.add(f"WORKDIR /src/{folder}" if folder else "WORKDIR /src")
    stage.add(f"ENV CGO_ENABLED={0 if profile.cgo is None else 1}")
    if asks:
        stage.add("ENV GOTOOLCHAIN=auto")
    if _can_fetch_first(profile):
        stage.comment(
            "The modules change less often than the sources: fetched first, kept in the cache."
        )
        files = " ".join(posixpath.join(folder, name) for name in ("go.mod", "go.sum"))
        stage.add(f"COPY {files} ./")
        stage.run("go mod download", mounts=[modules])
    stage.add("COPY . /src" if folder else "COPY . .")
    if profile.rebinding:
        stage.comment("It would listen where nothing outside its container reaches it.")
        stage.run(f"cd /src && {profile.rebinding.command}")
    if profile.frontend:
        for path in profile.frontend.compiled:
            stage.add(copied(path, f"/src/{path}"))
    stage.run(_commands(profile), mounts=[modules, compiled])
    return stage


def _can_fetch_first(profile: GoProfile) -> bool:
    return profile.has_dependencies and not (
        profile.vendored
        or profile.has_local_modules
        or profile.workspace
        or profile.initiate
        or profile.resolve
    )


def _commands(profile: GoProfile) -> list[str]:
    """Return what makes the program in /out."""
    if profile.build:
        output = profile.output or profile.name
        return [profile.build, f"install -D {output} /out/{profile.name}"]
    link, flags = "-s -w -buildid=", ""
    if profile.cgo is not None:
        # names and users are looked up by Go's own code, which needs no library
        flags += f" -tags={','.join(profile.cgo.tags)}"
        if profile.cgo.static:
            link += " -linkmode=external -extldflags=-static"
    if profile.initiate or profile.resolve:
        flags += " -mod=mod"
    commands = []
    if profile.initiate:
        commands.append(f"go mod init {profile.module}")
        if profile.needs:
            commands.append("go mod tidy")
    commands.append(
        f'go build -trimpath -buildvcs=false{flags} -ldflags="{link}" '
        f"-o /out/{profile.name} {profile.package}"
    )
    return commands


def _copy_files(last: Stage, profile: GoProfile) -> None:
    """Add what the program reads at run time, where it looks for it."""
    if not _runs_in_a_folder(profile):
        return
    last.comment("What the program reads and makes, by paths from the folder that it runs in.")
    last.add(f"WORKDIR {_WRITABLE if profile.writes else '/app'}")
    owner = f"--chown={_NONROOT} " if profile.writes else ""
    for path in profile.reads:
        last.add(f"COPY {owner}{posixpath.join(profile.workdir, path)} ./{path}")
    for path in profile.frontend.served if profile.frontend else ():
        last.add(copied(posixpath.join(profile.workdir, path), f"./{path}"))
    for path in profile.files:
        plain = posixpath.normpath(path)
        last.add(f"COPY {owner}{plain} ./{plain}")


def _runs_in_a_folder(profile: GoProfile) -> bool:
    served = profile.frontend.served if profile.frontend else ()
    return bool(profile.reads or profile.files or profile.writes or served)


def _program_path(profile: GoProfile) -> str:
    is_taken = profile.name in _FOLDERS or (profile.name == "app" and _runs_in_a_folder(profile))
    return f"/usr/local/bin/{profile.name}" if is_taken else f"/{profile.name}"


def _ignored(profile: GoProfile) -> tuple[str, ...]:
    clutter: tuple[str, ...] = ("**/*_test.go", "**/node_modules")
    if not profile.takes_testdata:
        clutter += ("**/testdata",)
    if profile.frontend:
        clutter += kept_lines(profile.frontend)
    if profile.package == "." and not profile.folder:
        # the program as `go build` leaves it here, but not a folder of packages with its name
        return (f"/{profile.name}", f"!/{profile.name}/**", *clutter)
    if not f"{profile.package}/".startswith("./bin/"):
        return ("/bin", *clutter)
    return clutter


def _builder(version: str) -> tuple[str, bool]:
    """Return the line of the builder for *version*, and whether Go must look for a later one."""
    wanted = (*map(int, version.split(".")), 0, 0)[:3] if version else (0, 0, 0)
    line = next((line for line in _BUILDERS if line >= wanted[:2]), _BUILDERS[-1])
    return ".".join(map(str, line)), wanted > (*line, 0)

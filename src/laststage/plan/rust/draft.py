"""The Dockerfile for a Rust program: linked whole where it can be, run on as little as it needs."""

from __future__ import annotations

import posixpath

from laststage.detect.rust.app import RustProfile
from laststage.plan.additions import Additions
from laststage.plan.frontend import copied, frontend_stage, kept_lines
from laststage.plan.plan import Draft
from laststage.plan.writing import OPTIONAL, Stage, cache, dockerfile

_WORKDIR = "/app"
_WRITABLE = "/home/nonroot"
_NONROOT = "65532:65532"
_TARGET = "/target"
_CARGO = "/usr/local/cargo"
# What stands at the root of a base already, and is no place for a program of that name.
_FOLDERS = frozenset(
    ("app", "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc",
     "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var")
)  # fmt: skip


def draft(profile: RustProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: a stage that compiles, and a distroless one that runs."""
    base = additions.base or profile.base
    build = _build_stage(profile)
    build.collect(profile, additions)
    needs = OPTIONAL if additions.needs is None or base else additions.needs
    if profile.certificates:
        needs = tuple(sorted({*needs, "ca-certificates"}))
    last = Stage(
        f"gcr.io/distroless/{base or 'static'}-debian13:nonroot",
        omit=[name for name in OPTIONAL if name not in needs],
    )
    program = _program_path(profile)
    last.add(f"COPY --from=build /out/{profile.program} {program}")
    _copy_files(last, profile)
    last.finish(profile, additions, build_stage="build", entrypoint=[program, *profile.arguments])
    how = (
        f"run on {base}, which has the libraries that it links to"
        if base
        else "run without libraries"
    )
    intro = [
        f"The Rust program {profile.name}, built in one stage, {how}.",
        "Build it with laststage, or with any other builder.",
    ]
    first = [frontend_stage(profile.frontend)] if profile.frontend else []
    kept = kept_lines(profile.frontend) if profile.frontend else ()
    return Draft(
        dockerfile=dockerfile(intro, *first, build, last),
        program="" if base else program,
        needs=needs,
        ignored=("**/target", "**/*.rs.bk", "**/node_modules", *kept),
    )


def _build_stage(profile: RustProfile) -> Stage:
    stage = Stage(f"rust:{profile.version}-slim-trixie", "build")
    stage.install(profile.build_packages)
    folder = profile.folder
    # the same place as in the last stage: what CARGO_MANIFEST_DIR says stays true
    stage.add(f"WORKDIR {_below(folder)}")
    stage.env(_environment(profile))
    stage.add(f"COPY . {_WORKDIR}" if folder else "COPY . .")
    if profile.rebinding:
        stage.comment("It would listen where nothing outside its container reaches it.")
        stage.run(f"cd {_WORKDIR} && {profile.rebinding.command}")
    if profile.frontend:
        for path in profile.frontend.compiled:
            stage.add(copied(path, f"{_WORKDIR}/{path}"))
    if not profile.build:
        stage.comment(
            "Crates and what they compile to are kept in caches; the app's own sources are made new,",
            "for Cargo tells by their times what to compile again.",
        )
    stage.run(
        _commands(profile),
        mounts=[
            cache(f"{_CARGO}/registry"),
            cache(f"{_CARGO}/git"),
            f"{cache(_TARGET, 'locked')},id=target-{profile.name}",
        ],
    )
    return stage


def _environment(profile: RustProfile) -> dict[str, str]:
    flags = list(profile.flags)
    if not profile.base:
        flags += ["-C", "target-feature=+crt-static"]
    found = {"CARGO_TARGET_DIR": _TARGET, "CARGO_PROFILE_RELEASE_STRIP": "symbols"}
    if profile.offline:
        found["SQLX_OFFLINE"] = "true"
    return found | ({"RUSTFLAGS": " ".join(flags)} if flags else {})


def _commands(profile: RustProfile) -> list[str]:
    """Return what makes the program in /out."""
    if profile.build:
        output = profile.output or f"{_TARGET}/release/{profile.program}"
        return [profile.build, f"install -D {output} /out/{profile.program}"]
    flags = " --locked" if profile.locked else ""
    if profile.manifest != "Cargo.toml":
        flags += f" --manifest-path {profile.manifest}"
    # with a target, flags do not reach what runs while the build does
    return [
        f"find {_WORKDIR} -type f -exec touch {{}} +",
        "host=$(rustc -vV | sed -n 's/^host: //p')",
        f'cargo build --release{flags} --bin {profile.program} --target "$host"',
        f'install -D "{_TARGET}/$host/release/{profile.program}" /out/{profile.program}',
    ]


def _copy_files(last: Stage, profile: RustProfile) -> None:
    """Add what the program reads at run time, where it looks for it."""
    served = profile.frontend.served if profile.frontend else ()
    if not (profile.reads or profile.files or profile.writes or served):
        return
    last.comment("What the program reads and makes, by paths from the folder that it runs in.")
    folder = _below(profile.workdir)
    last.add(f"WORKDIR {_WRITABLE if profile.writes else folder}")
    owner = f"--chown={_NONROOT} " if profile.writes else ""
    for path in profile.reads:
        last.add(f"COPY {owner}{posixpath.join(profile.workdir, path)} ./{path}")
    for path in served:
        last.add(copied(posixpath.join(profile.workdir, path), f"./{path}"))
    for path in profile.files:
        plain = posixpath.normpath(path)
        last.add(f"COPY {owner}{plain} ./{plain}")


def _below(folder: str) -> str:
    return f"{_WORKDIR}/{folder}" if folder else _WORKDIR


def _program_path(profile: RustProfile) -> str:
    return f"/usr/local/bin/{profile.name}" if profile.name in _FOLDERS else f"/{profile.name}"

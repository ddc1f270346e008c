"""The Dockerfile for an app that Node runs: built with npm and a shell, run without both."""

from __future__ import annotations

from laststage.detect.node.app import LINK, NodeProfile
from laststage.detect.node.takes import Take
from laststage.plan.additions import Additions
from laststage.plan.frontend import copied, frontend_stage, kept_lines
from laststage.plan.javascript import (
    IGNORED,
    WORKDIR,
    add_install,
    ignored_lines,
    mounts_of,
    node_stage,
    prune_command,
)
from laststage.plan.plan import Draft
from laststage.plan.writing import Stage, cache, dockerfile

# What builds leave behind on the machine of who wrote the app.
_OUTPUTS = (
    "**/.next",
    "**/.nuxt",
    "**/.output",
    "**/.svelte-kit",
    "**/.astro",
    "**/.vercel",
    "**/.react-router",
)
# What the package of an add-on is compiled from, or holds the rest of.
_ADDON_SOURCES = ("*.[acho]", "*.cc", "*.cpp", "*.hpp")
_TRACED = "/traced"
_WRITES = "/writes"
_TRACE = f"{_TRACED}/list"


def draft(profile: NodeProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: a stage that builds, and a distroless one that runs."""
    last = Stage(
        f"gcr.io/distroless/nodejs{profile.node}-debian13:nonroot",
        why="Node is the entrypoint of this base, which has neither a shell nor npm.",
    )
    stages = [frontend_stage(profile.frontend)] if profile.frontend else []
    if _needs_build(profile):
        build = _build_stage(profile)
        _add_writes(build, last, profile)
        build.collect(profile, additions)
        stages.append(build)
        last.add(f"WORKDIR {WORKDIR}")
        _copy_built(last, profile)
    else:
        last.add(f"WORKDIR {WORKDIR}", "COPY . .")
    for path in profile.frontend.served if profile.frontend else ():
        last.add(copied(path, f"./{path}"))
    if profile.folder:
        last.add(f"WORKDIR {WORKDIR}/{profile.folder}")
    last.finish(profile, additions, build_stage="build", cmd=profile.start)
    return Draft(
        dockerfile=_text(profile, [*stages, last]),
        build_stage="build" if _needs_build(profile) else "",
        ignored=_ignored(profile),
    )


def _text(profile: NodeProfile, stages: list[Stage]) -> str:
    how = "built in one stage, run from another that has Node and the app in it"
    if len(stages) == 1:
        how = "which needs no build and no dependencies"
    return dockerfile(
        [
            f"The Node app {profile.name}, {how}.",
            "Build it with laststage, or with any other builder.",
        ],
        *stages,
    )


def _needs_build(profile: NodeProfile) -> bool:
    return bool(
        profile.steps
        or profile.dependencies != "none"
        or profile.run_packages
        or profile.writes
        or (profile.package and (profile.package.has_development or profile.package.needs_sources))
    )


def _build_stage(profile: NodeProfile) -> Stage:
    package = profile.package
    if package is None:
        stage = Stage(f"node:{profile.node}-trixie-slim", "build")
        stage.install((*profile.build_packages, *profile.run_packages))
        stage.add(f"WORKDIR {WORKDIR}", "COPY . .")
        return stage
    apt = (*profile.build_packages, *profile.run_packages)
    stage = node_stage(package, apt=apt)
    if profile.native:
        stage.comment("Add-ons are compiled against the headers of this Node, none are fetched.")
        stage.env({"npm_config_nodedir": "/usr/local"})
    only_production = (
        not profile.steps and not package.needs_sources and profile.dependencies == "production"
    )
    if profile.dependencies != "none" or profile.steps or package.has_development:
        add_install(stage, package, production=only_production or not package.has_development)
    else:
        stage.add("COPY . .")
    if profile.steps:
        stage.env(profile.build_env)
        if profile.uses_path:
            folders = [WORKDIR, *([f"{WORKDIR}/{package.folder}"] if package.folder else [])]
            path = ":".join(f"{folder}/node_modules/.bin" for folder in reversed(folders))
            stage.add(f"ENV PATH={path}:$PATH")
        for step in profile.steps:
            stage.run(step, mounts=mounts_of(package))
    prunes = (
        profile.dependencies == "production" and package.has_development and not only_production
    )
    if prunes and not profile.traced:
        stage.comment("What only the build needed goes.")
        stage.run(prune_command(package), mounts=mounts_of(package))
    if profile.musl:
        stage.comment("Add-ons for another C library than this one's, which npm installs as well.")
        stage.run(
            "find . -path '*/node_modules/*' -type d -name '*linux*musl*' -prune -exec rm -rf {} +"
        )
    if profile.native and profile.dependencies != "none":
        _add_tidying(stage)
    if profile.link:
        _add_link(stage, profile)
    if profile.traced:
        _add_trace(stage, profile)
    return stage


def _add_tidying(stage: Stage) -> None:
    """Add the step that takes away what add-ons were compiled from; nothing reads it as they run."""
    sources = " -o ".join(f"-name '{name}'" for name in _ADDON_SOURCES)
    made = "-path '*/Release/obj*' -o -path '*/deps/*.tar.gz'"
    stage.comment("Of a compiled add-on, its sources and the compiler's own files stay behind.")
    stage.run(
        "find . -path '*/node_modules/*' -name binding.gyp -printf '%h\\n' | while read -r addon; do "
        '\\\n      find "$addon" -depth ! -path "$addon/node_modules/*" '
        f"\\( {made} -o ! -type d \\( {sources} \\) \\) -delete; done"
    )


def _add_link(stage: Stage, profile: NodeProfile) -> None:
    """Add the step that makes a link to the script of a program, which pnpm starts by a shell."""
    owner, name = profile.link
    manifest = f"./node_modules/{owner}/package.json"
    script = f'node -p \'const {{bin}} = require("{manifest}"); bin["{name}"] ?? bin\''
    at = f"cd {profile.folder} && " if profile.folder else ""
    stage.comment("The program's own script, where node finds it without a shell.")
    stage.run(f'{at}ln -s "node_modules/{owner}/$({script})" {LINK}')


def _add_trace(stage: Stage, profile: NodeProfile) -> None:
    """Add the step that gathers the modules that the server reaches."""
    whole = [path for path in profile.traced if path.startswith("node_modules/")]
    if profile.owner:
        # what a program imports may depend on its arguments
        whole.append(f'"$(realpath --relative-to=. node_modules/{profile.owner})"')
    found = (
        f"grep ^node_modules/ {_TRACE} | sort -u | xargs -r -d '\\n' cp -a --parents -t {_TRACED}"
    )
    stage.comment("Of the dependencies, the modules that the server imports go on, and no others.")
    stage.run(
        [
            f"mkdir -p {_TRACED}/node_modules",
            *(f"npx --yes @vercel/nft@1 print {path} >> {_TRACE}" for path in profile.traced),
            found,
            *([f"cp -a --parents -t {_TRACED} {' '.join(whole)}"] if whole else []),
        ],
        mounts=[cache("/root/.npm")],
    )


def _add_writes(build: Stage, last: Stage, profile: NodeProfile) -> None:
    """Add the lines for the folders that the app writes to, which are its user's own."""
    if not profile.writes:
        return
    build.run("mkdir -p " + " ".join(f"{_WRITES}{folder}" for folder in profile.writes))
    last.comment("What the app writes to is its user's own; a volume there keeps it.")
    for folder in profile.writes:
        last.add(f"COPY --from=build --chown=65532:65532 {_WRITES}{folder} {folder}")


def _copy_built(last: Stage, profile: NodeProfile) -> None:
    files = [f"{WORKDIR}/{take.source}" for take in profile.takes if _is_file(take)]
    if profile.link:
        files.append(f"{WORKDIR}/{LINK}")
    if len(profile.takes) == 1 and not profile.takes[0].source:
        last.add(f"COPY --from=build {WORKDIR} ./")
        return
    for take in profile.takes:
        if _is_file(take):
            continue
        if profile.traced and take.source == "node_modules":
            last.add(f"COPY --from=build {_TRACED}/node_modules ./node_modules")
            continue
        owner = "--chown=65532:65532 " if take.is_owned else ""
        if take.is_owned:
            last.comment("Caches are written beside the server, so its files are the user's own.")
        last.add(f"COPY --from=build {owner}{WORKDIR}/{take.source} ./{take.target}".rstrip())
    if files:
        last.add("COPY --from=build " + " ".join(files) + " ./")


def _is_file(take: Take) -> bool:
    return take.is_file and take.source == take.target and "/" not in take.source


def _ignored(profile: NodeProfile) -> tuple[str, ...]:
    lines = ignored_lines(profile.package) if profile.package else IGNORED
    return (*lines, *_OUTPUTS, *(kept_lines(profile.frontend) if profile.frontend else ()))

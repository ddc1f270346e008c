"""Writing a Dockerfile: stages with their lines, in the form that a person would give them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from laststage.detect.profile import App
from laststage.plan.additions import Additions

# Everything optional that `static`, and so every base on it, can hold.
OPTIONAL = ("ca-certificates", "media-types", "netbase", "tzdata")
_RECORDS = "/native"


class Stage:
    """The lines of one stage, from its FROM on."""

    def __init__(
        self, base: str, name: str = "", *, omit: Iterable[str] = (), why: str = ""
    ) -> None:
        self.lines: list[str] = [""]
        if why:
            self.comment(why)
        left_out = ",".join(sorted(omit))
        if left_out:
            self.lines.append(f"# laststage: omit={left_out}")
        self.lines.append(f"FROM {base}" + (f" AS {name}" if name else ""))

    def comment(self, *lines: str) -> None:
        """Add a comment for the person who owns this file one day."""
        self.lines += [f"# {line}" for line in lines]

    def add(self, *lines: str) -> None:
        """Add instructions as they are."""
        self.lines += lines

    def run(self, command: str | Sequence[str], *, mounts: Sequence[str] = ()) -> None:
        """Add a RUN of *command*, or of several joined by ``&&``, with *mounts* before it."""
        commands = [command] if isinstance(command, str) else list(command)
        parts = [f"--mount={mount}" for mount in mounts]
        parts += [f"{one} &&" for one in commands[:-1]] + commands[-1:]
        self.lines.append("RUN " + " \\\n    ".join(parts))

    def env(self, values: Mapping[str, str]) -> None:
        """Add an ENV for *values*, if there are any."""
        if values:
            self.lines.append(
                "ENV "
                + " \\\n    ".join(f"{name}={quoted(value)}" for name, value in values.items())
            )

    def install(self, packages: Iterable[str]) -> None:
        """Add a step that installs Debian packages, if there are any."""
        names = " ".join(sorted(set(packages)))
        if names:
            self.run(
                ["apt-get update", f"apt-get install -y --no-install-recommends {names}"],
                mounts=APT_CACHES,
            )

    def collect(self, app: App, additions: Additions) -> None:
        """Add the step that gathers the files of packages that the last stage needs.

        It goes at the end of the build stage; finish() copies what it gathers.
        """
        commands = []
        if packages := sorted(set(app.run_packages)):
            listed = " ".join(packages)
            commands.append(
                f"dpkg -L {listed} | grep -Ev '^/usr/share/(doc|man|info|locale|lintian)(/|$)' "
                f'| while read -r path; do if [ ! -d "$path" ] || [ -L "$path" ]; '
                f'then cp -a --parents "$path" {_RECORDS}; fi; done'
            )
        if owners := _owners(app, additions):
            listed = " ".join(owners)
            commands.append(
                f"for package in {listed}; do "
                f'dpkg-query -s "$package" > "{_RECORDS}/var/lib/dpkg/status.d/$package"; '
                f'cp -a --parents "/usr/share/doc/$package/copyright" {_RECORDS}; done'
            )
            # from the root: bookworm's cp --parents looks for an absolute path below where it is
            commands[:0] = [f"mkdir -p {_RECORDS}/var/lib/dpkg/status.d", "cd /"]
            self.comment(
                "what the last stage needs of these packages, and what scanners read of them"
            )
            self.run(commands)

    def finish(
        self,
        app: App,
        additions: Additions,
        *,
        build_stage: str,
        entrypoint: Sequence[str] = (),
        cmd: Sequence[str] = (),
    ) -> None:
        """Add the end of a last stage: native libraries, environment, port, and how it starts."""
        if additions.libraries or app.run_packages:
            self.comment("libraries that the app links to and its base does not have")
        for line in _copies(additions, build_stage):
            self.lines.append(line)
        if _owners(app, additions):
            self.lines.append(f"COPY --from={build_stage} {_RECORDS}/ /")
        self.env(app.env)
        if app.port:
            self.lines.append(f"EXPOSE {app.port}")
        if entrypoint:
            self.lines.append(f"ENTRYPOINT {json.dumps(list(entrypoint))}")
        if cmd:
            self.lines.append(f"CMD {json.dumps(list(cmd))}")


def dockerfile(intro: Iterable[str], *stages: Stage) -> str:
    """Return the whole text: *intro* as a comment, then the stages."""
    lines = [f"# {line}" for line in intro]
    for stage in stages:
        lines += stage.lines
    return "\n".join(lines) + "\n"


def cache(target: str, sharing: str = "") -> str:
    """Return the mount of a cache that outlives the build."""
    return f"type=cache,target={target}" + (f",sharing={sharing}" if sharing else "")


def quoted(value: str) -> str:
    """Return *value* as ENV takes it; nothing in it is expanded."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    safe = value and all(c.isalnum() or c in "_-./:@%+,=*" for c in value)
    return value if safe else f'"{plain}"'


APT_CACHES = (cache("/var/cache/apt", "locked"), cache("/var/lib/apt/lists", "locked"))


def _owners(app: App, additions: Additions) -> list[str]:
    """Return the packages of which the last stage has files, by name."""
    names = {library.package for library in additions.libraries} | set(app.run_packages)
    return sorted(names - {""})


def _copies(additions: Additions, build_stage: str) -> list[str]:
    """Return a COPY for each folder, and for each library that gets another name."""
    folders: dict[str, list[str]] = {}
    renamed = []
    for library in sorted(additions.libraries, key=lambda library: library.target):
        folder, _, name = library.target.rpartition("/")
        if library.path.rpartition("/")[2] == name:
            folders.setdefault(folder, []).append(library.path)
        else:
            renamed.append(f"COPY --from={build_stage} {library.path} {library.target}")
    joined = [
        f"COPY --from={build_stage} " + " \\\n    ".join([*paths, f"{folder}/"])
        for folder, paths in sorted(folders.items())
    ]
    return joined + renamed

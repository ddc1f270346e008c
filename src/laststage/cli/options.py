"""The words of `laststage build`, read into a request."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping

from laststage import api
from laststage.api.building import dockerfile_text, ignore_text
from laststage.api.request import Output
from laststage.cli.app import add_app_options, read_app
from laststage.cli.settings import epoch_of
from laststage.dockerfile.errors import DockerfileError
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.sandbox.engines import ENGINES
from laststage.sandbox.spec import Limit, Resources

_KINDS = ("image", "registry", "oci", "docker", "tar", "local")
_LEAST_MEMORY = 6 << 20  # Docker's
_CPUSET = frozenset("0123456789,-")
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def add_options(parser: ArgumentParser) -> None:
    """Add what says what is built and how."""
    add = parser.add_argument
    add("folder", metavar="PATH", nargs="?", default=".", help="the app's folder: the context")
    add("-t", "--tag", metavar="NAME", action="append", default=[], help="name the image")
    add("-f", "--file", metavar="FILE", help="build this Dockerfile instead of planning one")
    add("--target", metavar="STAGE", default="", help="build this stage")
    add("--build-arg", metavar="NAME=VALUE", action="append", default=[], help="set an ARG")
    add(
        "--build-context", metavar="NAME=VALUE", action="append", default=[],
        help="a folder, oci-layout://FOLDER[:TAG] or docker-image://NAME to use as NAME",
    )  # fmt: skip
    add("--label", metavar="NAME=VALUE", action="append", default=[], help="set a label")
    add(
        "--secret", metavar="id=ID,src=FILE", action="append", default=[],
        help="a secret for RUN --mount=type=secret: a file, or env=NAME",
    )  # fmt: skip
    add("--ssh", metavar="default|ID=SOCKET", action="append", default=[], help="forward an agent")
    add("--platform", metavar="OS/ARCH", help="build for this platform")
    add(
        "--bases", choices=api.POLICIES,
        help="where base images come from: made of Debian's signed packages (assemble, the "
        "default for an app), or images as they are (pull, the default with --file)",
    )  # fmt: skip
    add(
        "--proof", action="store_true",
        help="weigh the stages left behind as well (always done for an app)",
    )  # fmt: skip
    add("--pull", action="store_true", help="look for newer bases")
    add("--no-cache", action="store_true", help="run every step again")
    add("--no-cache-filter", metavar="STAGE", action="append", default=[], help="run it again")
    add("--add-host", metavar="NAME:ADDRESS", action="append", default=[], help="a line of hosts")
    add("--ulimit", metavar="NAME=SOFT[:HARD]", action="append", default=[], help="limit steps")
    add("--shm-size", metavar="SIZE", default="64m", help="the size of /dev/shm in steps")
    add(
        "--network", choices=api.NETWORKS, default="default",
        help="the network of steps: the host's, none, or as laststage.toml says (default)",
    )  # fmt: skip
    add_resources(parser)
    add(
        "-o", "--output", metavar="DEST", action="append", default=[],
        help="type=oci|docker|tar|local,dest=PATH, or a folder for the files",
    )  # fmt: skip
    add("--push", action="store_true", help="send the image to where its tags say")
    # each a flag of its own: a value after a blank would be taken for the app's folder
    add(
        "--load", action="store_const", const="",
        help="give the image to Docker, or to Podman if Docker does not answer",
    )  # fmt: skip
    for engine in ENGINES:
        add(f"--load={engine}", action="store_const", const=engine, dest="load", help="to this one")
    add_app_options(parser)


def read_request(options: Namespace, environ: Mapping[str, str]) -> api.BuildRequest:
    """Return the request that *options* make. Raise UsageError for what cannot be meant."""
    for tag in options.tag:
        Reference.parse(tag)  # before the work, not after it
    epoch = epoch_of(environ)
    text, name = None, "Dockerfile"
    if options.file:
        text = read_dockerfile(options.file)
        name = "stdin" if options.file == "-" else options.file
    return api.BuildRequest(
        context=options.folder,
        dockerfile=text,
        dockerfile_name=name,
        ignore=ignore_text(options.folder, options.file or ""),
        app=read_app(options, options.folder),
        target=options.target,
        build_args=read_pairs("--build-arg", options.build_arg, environ),
        contexts=read_pairs("--build-context", options.build_context, {}),
        labels=read_pairs("--label", options.label, {}),
        tags=tuple(options.tag),
        outputs=read_outputs(options),
        platform=Platform.parse(options.platform) if options.platform else None,
        # an app's image is the same every time, unless its owner wants other times in it
        epoch=0 if epoch is None and text is None else epoch,
        bases=options.bases or ("assemble" if text is None else "pull"),
        use_cache=not options.no_cache,
        uncached=tuple(stage.lower() for stage in options.no_cache_filter),
        refresh=options.pull,
        secret=_secrets(options.secret, environ),
        agents=dict(_agent(word, environ) for word in options.ssh),
        hosts=tuple(map(_host, options.add_host)),
        shm_size=_size("--shm-size", options.shm_size),
        limits=tuple(map(_limit, options.ulimit)),
        resources=read_resources(options),
        network=options.network,
        proof=options.proof,
    )


def add_resources(parser: ArgumentParser) -> None:
    """Add what says how much of the machine a sandbox may use, as Docker calls it."""
    add = parser.add_argument
    add("-m", "--memory", metavar="SIZE", default="", help="the most memory, such as 2g")
    add("--cpus", metavar="NUMBER", default="", help="the most time of processors, such as 1.5")
    add("--cpuset-cpus", metavar="LIST", default="", help="the processors, such as 0-2,4")
    add("--pids-limit", metavar="NUMBER", default="", help="the most processes and threads")


def read_resources(options: Namespace) -> Resources:
    """Return what the flags of add_resources() say. Raise UsageError for what cannot be meant."""
    memory = _size("--memory", options.memory) if options.memory else None
    if memory is not None and memory < _LEAST_MEMORY:
        raise UsageError(
            f"--memory {options.memory}: too little to start anything", hint="at least 6m"
        )
    try:
        cpus = float(options.cpus) if options.cpus else None
        pids = int(options.pids_limit) if options.pids_limit else None
    except ValueError:
        raise UsageError("--cpus and --pids-limit take a number") from None
    if cpus is not None and not 0.01 <= cpus <= 1e6:
        raise UsageError(f"--cpus {options.cpus}: not between 0.01 and the number of processors")
    if pids is not None and pids < 1:
        raise UsageError(f"--pids-limit {options.pids_limit}: not a number above 0")
    if not _CPUSET.issuperset(options.cpuset_cpus):
        raise UsageError(f"--cpuset-cpus {options.cpuset_cpus}: not a list such as 0-2,4")
    return Resources(memory, cpus, options.cpuset_cpus, pids)


def read_dockerfile(path: str) -> str:
    """Return the text of the Dockerfile at *path*, "-" for standard input. Raise DockerfileError."""
    if path != "-":
        return dockerfile_text(path)
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        reason = "cannot read the Dockerfile: it is not UTF-8 text"
        raise DockerfileError(reason, where="stdin") from error


def read_pairs(flag: str, words: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Read NAME=VALUE; for a NAME alone the value is that of *environ*, if it has one there."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise UsageError(f"{flag} {word}: no name")
        if equals or flag == "--label":
            found[name] = value
        elif flag == "--build-context":
            raise UsageError(f"{flag} {word}: no value", hint=f"{flag} NAME=FOLDER")
        elif name in environ:
            found[name] = environ[name]
    return found


def _fields(flag: str, word: str) -> dict[str, str]:
    fields = dict(field.partition("=")[::2] for field in word.split(","))
    if not all(fields):
        raise UsageError(f"{flag} {word}: not of the form key=value,key=value")
    return fields


def read_outputs(options: Namespace) -> tuple[Output, ...]:
    """Return where the result goes. Raise UsageError before the work if it could not go there."""
    found = dict.fromkeys(map(_output, options.output))
    if options.load is not None:
        found[Output("load", options.load)] = None
    if options.push:
        found[Output("registry", "")] = None
    if Output("registry", "") in found:
        from laststage.registry.names import check_target

        if not options.tag:
            raise UsageError("nothing says where to push", hint="name the image: -t REGISTRY/NAME")
        for tag in options.tag:
            check_target(Reference.parse(tag))
    return tuple(found)


def _output(word: str) -> Output:
    if "=" not in word:
        return Output("tar", "-") if word == "-" else Output("local", word)
    fields = _fields("--output", word)
    kind = fields.get("type", "")
    destination = fields.get("dest", "")
    if kind == "image" and fields.get("push") == "true":
        kind = "registry"
    if kind not in _KINDS:
        raise UsageError(f"--output {word}: unknown type", hint=", ".join(_KINDS))
    if kind == "docker" and not destination:
        return Output("load", "")  # what BuildKit means by it
    if kind in ("image", "registry"):
        return Output(kind, "")
    if not destination:
        raise UsageError(f"--output {word}: needs dest=PATH")
    return Output(kind, destination)


def _secrets(words: list[str], environ: Mapping[str, str]) -> Callable[[str], bytes | None]:
    sources: dict[str, tuple[str, str]] = {}
    for word in words:
        fields = _fields("--secret", word)
        name = fields.get("id", "")
        path = fields.get("src") or fields.get("source") or ""
        variable = fields.get("env", "")
        if not name:
            raise UsageError("--secret needs an id", hint="--secret id=NAME,src=FILE")
        if fields.get("type") == "env" and not variable:
            path, variable = "", path or name
        if not path and not variable:
            path, variable = ("", name) if name in environ else (name, "")
        sources[name] = (path, variable)

    def secret(name: str) -> bytes | None:
        path, variable = sources.get(name, ("", ""))
        if variable:
            value = environ.get(variable)
            return None if value is None else value.encode(errors="surrogateescape")
        if not path:
            return None
        try:
            with open(os.path.expanduser(path), "rb") as file:
                return file.read()
        except OSError as error:
            raise UsageError(f"cannot read the secret {name}: {error.strerror}") from error

    return secret


def _agent(word: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name, _, path = word.partition("=")
    path = path or environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise UsageError(f"--ssh {word}: no agent", hint="start ssh-agent, or name its socket")
    return name, path


def _host(word: str) -> tuple[str, str]:
    name, separator, address = word.partition("=") if "=" in word else word.partition(":")
    if not name or not separator or not address:
        raise UsageError(f"--add-host {word}: not NAME:ADDRESS")
    return name, address.removeprefix("[").removesuffix("]")


def _limit(word: str) -> Limit:
    name, _, values = word.partition("=")
    soft, _, hard = values.partition(":")
    try:
        return Limit(name, _number(soft), _number(hard or soft))
    except ValueError:
        raise UsageError(f"--ulimit {word}: not NAME=SOFT[:HARD]") from None


def _number(text: str) -> int:
    return (1 << 64) - 1 if text in ("-1", "unlimited") else int(text)


def _size(flag: str, text: str) -> int:
    digits = text.rstrip("bBkKmMgGiI")
    unit = text[len(digits) :].lower().removesuffix("ib").removesuffix("b") or ""
    if not digits.isdigit() or unit not in _UNITS:
        raise UsageError(f"{flag} {text}: not a size", hint="such as 64m or 1g")
    return int(digits) * _UNITS[unit]

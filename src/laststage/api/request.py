"""What can be asked of a build, and what it answers."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from laststage.analysis.weighing import Weight
from laststage.base.bases import Base
from laststage.detect.profile import App
from laststage.detect.settings import AppSettings
from laststage.engine.context import Context
from laststage.engine.exporting import Image
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.oci.documents import Descriptor
from laststage.sandbox.spec import Limit, Resources, SandboxSpec

POLICIES = ("assemble", "pull")
NETWORKS = ("default", "host", "none")


class Taken(Struct, frozen=True):
    """A base that was taken as it is: *digest* is what its name stood for, be it an index's."""

    reference: str
    digest: str
    image: Descriptor


class Output(Struct, frozen=True):
    """Where a result goes beside the store: *kind* is oci, docker, tar or local; "-" is stdout.

    The kind registry has no destination: the image goes to where each of its tags says. With the
    kind load it goes into the engine that *destination* names, "" for whichever there is.
    """

    kind: str
    destination: str


class BuildRequest(Struct, frozen=True, kw_only=True):
    """What to build. *context* is a folder.

    With *dockerfile* (its text, called *dockerfile_name* in messages) that is built, else the app
    in the context is planned, and *app* is what its owner says of it. *epoch* sets every time
    stamp, in seconds since 1970; None keeps the files' own. *bases* says where base images come
    from: ``assemble`` makes them from Debian's packages, ``pull`` takes them as they are, from the
    store or a registry.
    *contexts* are further folders or images by name, *uncached* the stages that run again.
    *secret* gives a secret by its id, *agents* sockets by theirs. *on_failure* gets the sandbox of
    a step that failed, as it then is. *network* is what steps get that ask for none in particular:
    ``host``, ``none``, or ``default``, what is set for the machine. *limits* are of each process,
    *resources* of each step. With *proof* the stages left behind are weighed
    too, which an app's own plan always has; it costs reading and compressing all of them.
    """

    context: str
    dockerfile: str | None = None
    dockerfile_name: str = "Dockerfile"
    ignore: str = ""
    app: AppSettings = AppSettings()
    target: str = ""
    build_args: dict[str, str] = {}
    contexts: dict[str, str] = {}
    labels: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    platform: Platform | None = None
    epoch: int | None = None
    bases: str = "assemble"
    use_cache: bool = True
    uncached: tuple[str, ...] = ()
    refresh: bool = False
    secret: Callable[[str], bytes | None] = lambda _: None
    agents: dict[str, str] = {}
    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 64 << 20
    limits: tuple[Limit, ...] = ()
    resources: Resources = Resources()
    network: str = "default"
    on_failure: Callable[[SandboxSpec], None] | None = None
    proof: bool = False

    def __post_init__(self) -> None:
        if self.bases not in POLICIES:
            raise UsageError(f"bases: {self.bases}: not one of {', '.join(POLICIES)}")
        if self.network not in NETWORKS:
            raise UsageError(f"network: {self.network}: not one of {', '.join(NETWORKS)}")


class BuildReport(Struct, frozen=True, kw_only=True):
    """What was built, and the proof of it.

    *single* is what an image of one stage would have weighed, *weight* what this one weighs.
    *taken* are the bases that were taken as they are. *index* holds how the store's index writes
    each tag, *rows* what else it must hold, or after a "!" must not, for the same build to mean the
    same, *paths* the files of the store that matter too. *contexts* are the folders as they were
    read, *executed* counts the steps that ran.
    *profile* is what the app is, if it was planned. What is not local depends on a remote file, which may change.
    """

    image: Image
    references: tuple[str, ...]
    dockerfile: str
    bases: tuple[Base, ...]
    taken: tuple[Taken, ...]
    executed: int
    amended: tuple[str, ...]
    layers: tuple[str, ...]
    weight: Weight
    single: Weight | None
    contexts: tuple[Context, ...] = ()
    index: tuple[bytes, ...] = ()
    rows: tuple[bytes, ...] = ()
    paths: tuple[str, ...] = ()
    profile: App | None = None
    is_local: bool = True

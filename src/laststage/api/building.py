"""One build, from a request to an image in the store."""

from __future__ import annotations

import os

import msgspec

from laststage.analysis.starting import obstacle
from laststage.analysis.weighing import Scales, Weight
from laststage.api.amending import Examiner, Sight, describe
from laststage.api.images import ImageSource
from laststage.api.planning import plan
from laststage.api.reaching import Reach
from laststage.api.request import BuildReport, BuildRequest
from laststage.base.bases import Base
from laststage.detect.profile import App
from laststage.dockerfile.errors import DockerfileError
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import Dockerfile, parse
from laststage.dockerfile.scope import Globals, unused_build_args
from laststage.engine.context import Context
from laststage.engine.exporting import export_image
from laststage.engine.mounts import Network, Outside
from laststage.engine.solving import Solver, Tools
from laststage.engine.trust import Trust
from laststage.errors import BuildError, UsageError
from laststage.events import Noticed, Warned
from laststage.graph.lowering import Lowered, lower
from laststage.graph.operations import CopyOp, Node
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.plan.additions import NOTHING, Additions
from laststage.plan.plan import Plan, make_plan
from laststage.workspace import Workspace


def build(workspace: Workspace, request: BuildRequest) -> BuildReport:
    """Build what *request* says and put the image into the store.

    Raise a LaststageError; the store is then as it was, but for cached steps.
    """
    for output in request.outputs:
        if output.kind == "load":
            workspace.engine(output.destination)
        if output.kind == "registry" and workspace.settings.offline:
            raise UsageError(
                "offline, nothing can be pushed",
                hint="build without --push, and `laststage push` when there is a network",
            )
    workspace.enter()
    if request.dockerfile is not None:
        whole = _Build(workspace, request)
        return whole.delivered(whole.run())
    return _build_app(workspace, request)


def _build_app(workspace: Workspace, request: BuildRequest) -> BuildReport:
    """Plan the app, build it, and amend the plan by what the image turns out to need."""
    profile, planned = plan(request.context, request.app, reach=Reach(workspace))
    additions, executed = NOTHING, 0
    changes: tuple[str, ...] = ()
    for _ in range(_ROUNDS):
        current = _Build(workspace, _planned(request, profile, planned))
        report = current.run()
        executed += report.executed
        found = current.examined(planned, additions, profile)
        amended = make_plan(profile, found)
        if amended == planned:
            report = msgspec.structs.replace(
                report, amended=changes, executed=executed, profile=profile
            )
            return current.delivered(report)
        changes = describe(planned, amended, found)
        workspace.sink(Noticed(f"plan amended after a look at the image: {', '.join(changes)}"))
        planned, additions = amended, found
        request = msgspec.structs.replace(request, refresh=False, use_cache=True)
    raise BuildError(
        f"the plan was amended {_ROUNDS} times and still lacks something: {', '.join(changes)}",
        hint="write the plan down with `laststage init`, and add what is missing by hand",
    )


def lowered(workspace: Workspace, request: BuildRequest) -> tuple[str, Lowered]:
    """Return the Dockerfile that *request* means, as text, and its graph; nothing is built."""
    if request.dockerfile is None:
        request = _planned(request, *plan(request.context, request.app, reach=Reach(workspace)))
    workspace.enter()
    return request.dockerfile or "", _Build(workspace, request).lowered()[1]


def bases_of(workspace: Workspace, request: BuildRequest) -> tuple[Base, ...]:
    """Return the bases that *request* would have assembled; nothing is built."""
    if request.dockerfile is None:
        request = _planned(request, *plan(request.context, request.app, reach=Reach(workspace)))
    whole = _Build(workspace, request)
    whole.lowered()
    return whole.assembled


def _planned(request: BuildRequest, profile: App, planned: Plan) -> BuildRequest:
    return msgspec.structs.replace(
        request,
        dockerfile=planned.dockerfile,
        ignore=planned.dockerignore + _own_rules(request.ignore, profile),
        proof=True,
    )


def _own_rules(ignore: str, profile: App) -> str:
    """Return the rules of the app's own ignore file that a plan for *profile* goes by.

    There are none where they leave out the very file that the app is known by: they are for a
    Dockerfile that copies what was built outside of it.
    """
    known_by = profile.evidence[0].where.partition(":")[0] if profile.evidence else ""
    return "" if IgnoreFile.parse(ignore).ignores(known_by) else ignore


BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"

# A library brings libraries of its own; more rounds than this mean that something goes round.
_ROUNDS = 5
_MOST = 16 << 20  # letters of a Dockerfile, or of an ignore file


class _Build:
    """One run of the engine over one Dockerfile."""

    def __init__(self, workspace: Workspace, request: BuildRequest) -> None:
        self._workspace = workspace
        self._request = request
        self._images = ImageSource(workspace, request)
        self._layers: list[str] = []
        self._solver: Solver | None = None
        self._lowered: Lowered | None = None

    @property
    def assembled(self) -> tuple[Base, ...]:
        """The bases that were assembled so far."""
        return self._images.assembled

    def run(self) -> BuildReport:
        """Build, and store the image without a tag."""
        workspace, request = self._workspace, self._request
        assert request.dockerfile is not None
        parsed, lowered = self.lowered()
        self._warn_of_unused(parsed)
        contexts = contexts_of(workspace, request)
        solver = Solver(lowered.graph, self._tools(contexts, parsed), use_cache=self._is_cached)
        self._solver, self._lowered = solver, lowered
        try:
            self._layers = solver.solve()
        finally:
            workspace.sink.resume()
        for context in contexts.values():
            context.save()
        image = export_image(
            lowered,
            self._layers,
            solver.layered(),
            layers=workspace.layers,
            platform=self._platform,
            epoch=request.epoch,
            now=int(workspace.now()),
            labels=request.labels,
            annotations=self._annotations(lowered),
        )
        return BuildReport(
            image=image,
            references=(),
            dockerfile=request.dockerfile,
            bases=tuple(self._images.assembled),
            taken=tuple(self._images.taken.values()),
            executed=solver.executed,
            amended=(),
            layers=tuple(self._layers),
            contexts=tuple(contexts.values()),
            weight=Scales(workspace.layers).weigh(self._layers),
            single=self._single(solver, lowered),
            rows=tuple(self._images.rows),
            paths=tuple(self._images.paths),
            is_local=not any(
                isinstance(node.operation, CopyOp) and node.operation.remote
                for node in lowered.graph.nodes
            ),
        )

    @property
    def _platform(self) -> Platform:
        return self._request.platform or self._workspace.platform

    def lowered(self) -> tuple[Dockerfile, Lowered]:
        """Return the Dockerfile and the graph that it means."""
        assert self._request.dockerfile is not None
        parsed = parse(self._request.dockerfile, self._request.dockerfile_name)
        return parsed, lower(
            parsed,
            self._images.image,
            self._images.named,
            foresee=self._images.foresee,
            build_platform=self._workspace.platform,
            platform=self._platform,
            target=self._request.target,
            build_args=self._request.build_args,
        )

    def delivered(self, report: BuildReport) -> BuildReport:
        """Give the image its tags and write the outputs, now that it is the one that was wanted."""
        references = tuple(Reference.parse(tag) for tag in self._request.tags)
        layout = self._workspace.layout
        report = msgspec.structs.replace(
            report,
            references=tuple(map(str, references)),
            index=tuple(layout.tag(name, report.image.manifest) for name in references),
        )
        if self._request.outputs:
            from laststage.api.outputs import write_output

            for output in self._request.outputs:
                write_output(self._workspace, report, output)
        return report

    def examined(self, planned: Plan, known: Additions, profile: App) -> Additions:
        """Return what the plan has to add, beyond what is *known*, by a look at the built image."""
        assert self._solver is not None
        assert self._lowered is not None
        image, name = tuple(self._layers), self._lowered.base
        below = [base for base in self._images.assembled if base.is_named(name)]
        above = next(
            (len(b.identifiers) for b in below if image[: len(b.identifiers)] == b.identifiers), 0
        )
        sight = Sight(
            image=image,
            above=above,
            build=tuple(self._solver.layers_of_stage(planned.build_stage)),
            config=self._lowered.config,
            platform=self._platform,
            loads=profile.loads,
        )
        return Examiner(self._workspace).examined(planned, known, sight)

    def _is_cached(self, node: Node) -> bool:
        return self._request.use_cache and node.meta.stage not in self._request.uncached

    def _tools(self, contexts: dict[str, Context], parsed: Dockerfile) -> Tools:
        workspace, request = self._workspace, self._request
        proxies = Globals(parsed, request.build_args, {}).proxies
        return Tools(
            layers=workspace.layers,
            contexts=contexts,
            runner=workspace.runner,
            stop=workspace.stop,
            make_base=lambda layer, output: workspace.bases.make(self._images.bases[layer], output),
            sink=workspace.sink,
            fetch=workspace.fetch,
            outside=Outside(
                secret=request.secret,
                agents=request.agents,
                hosts=request.hosts,
                memory=workspace.store.path("memory"),
                trust=Trust(workspace.ca_bundle(), workspace.new_memory()),
                proxies=proxies,
                shm_size=request.shm_size,
                limits=request.limits,
                resources=request.resources,
                network=_network(workspace, request),
                obstacle=obstacle,
                on_failure=request.on_failure,
            ),
            epoch=request.epoch,
        )

    def _warn_of_unused(self, parsed: Dockerfile) -> None:
        unused = unused_build_args(parsed, self._request.build_args)
        if unused:
            self._workspace.sink(Warned(f"no ARG takes --build-arg {', '.join(unused)}"))

    def _annotations(self, lowered: Lowered) -> dict[str, str]:
        """Return what the manifest says of its base, and of where that came from."""
        bases = self._images.assembled
        base = next((base for base in bases if base.is_named(lowered.base)), None)
        if base is None:
            taken = self._images.taken.get(lowered.base)
            return {} if taken is None else {BASE_NAME: taken.reference, BASE_DIGEST: taken.digest}
        found = {
            BASE_NAME: base.reference,
            "dev.laststage.base.policy": "assemble",
        }
        if base.omit:
            found["dev.laststage.base.omit"] = ",".join(base.omit)
        return found

    def _single(self, solver: Solver, lowered: Lowered) -> Weight | None:
        """Return what one stage would have weighed: the stages copied from, with all left in them."""
        if (
            not self._request.proof
            or not lowered.sources
            or not all(map(solver.is_complete, lowered.sources))
        ):
            return None
        layers = [layer for node in lowered.sources for layer in solver.layers_of(node)]
        return Scales(self._workspace.layers).weigh(layers)


def _network(workspace: Workspace, request: BuildRequest) -> Network:
    match request.network:
        case "host" | "none":
            return request.network
        case _:
            return workspace.settings.network


def contexts_of(workspace: Workspace, request: BuildRequest) -> dict[str, Context]:
    """Return the folders that a build reads from, by name; the main one has none."""
    found = {"": Context(request.context, IgnoreFile.parse(request.ignore), workspace.store)}
    for name, folder in request.contexts.items():
        if os.path.isdir(folder):
            ignore = IgnoreFile.parse(ignore_text(folder))
            found[name] = Context(folder, ignore, workspace.store)
    return found


def inputs_of(workspace: Workspace, request: BuildRequest, report: BuildReport) -> list[str]:
    """Return every path on which the result of a build depends, and every one that it needs.

    Those are the contexts (without what is ignored), the ignore file and Dockerfile, the records
    of the bases, and the image's blobs.
    """
    found = []
    for context in report.contexts:
        found += [context.full(path) for path in context.paths()]
        found.append(f"{context.root}/.dockerignore")
    name = os.path.abspath(request.dockerfile_name)
    found += [name, f"{name}.dockerignore"]
    found += [workspace.bases.record_path(base) for base in report.bases]
    found += report.paths
    blobs = workspace.layers.blobs
    manifest = report.image.manifest
    documents = [manifest, workspace.layout.manifest(manifest).config]
    layers = [layer.descriptor for layer in report.image.layers]
    return found + [blobs.path(d.parsed_digest) for d in (*documents, *layers)]


def dockerfile_text(path: str) -> str:
    """Return the text of a Dockerfile. Raise DockerfileError if it cannot be read as text."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read(_MOST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        is_away = isinstance(error, FileNotFoundError)
        hint = "FILE is looked for where the command runs, not in PATH" if is_away else ""
        raise DockerfileError(
            f"cannot read the Dockerfile: {reason}", where=path, hint=hint
        ) from error
    if len(text) > _MOST:
        raise DockerfileError(f"the Dockerfile has more than {_MOST} letters", where=path)
    return text


def ignore_text(context: str, dockerfile: str = "") -> str:
    """Return the ignore file that counts: ``DOCKERFILE.dockerignore``, else the context's own."""
    own = f"{dockerfile}.dockerignore" if dockerfile else ""
    for path in (own, f"{context}/.dockerignore" if context else ""):
        if path and os.path.isfile(path):
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    text = file.read(_MOST + 1)
            except OSError as error:
                raise UsageError(f"cannot read it: {error.strerror}", where=path) from error
            if len(text) > _MOST:
                raise UsageError(f"it has more than {_MOST} letters", where=path)
            return text
    return ""

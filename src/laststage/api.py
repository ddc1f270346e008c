"""Python's way in: build an app or a Dockerfile, plan one, and what came out of it."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from laststage.analysis.weighing import Scales, Weight
from laststage.base.bases import Base
from laststage.detect.profile import AppProfile
from laststage.dockerfile.errors import DockerfileError
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.engine.container import RunRequest, run_container
from laststage.engine.context import Context
from laststage.engine.exporting import Image, export_image
from laststage.engine.solving import Solver, Tools
from laststage.errors import BuildError, UsageError
from laststage.events import Noticed
from laststage.graph.lowering import BaseImage, Lowered, lower
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import Descriptor
from laststage.plan.plan import Plan, make_plan
from laststage.workspace import Workspace

POLICIES = ("assemble", "pull")


class BuildRequest(Struct, frozen=True, kw_only=True):
    """What to build. *context* is a folder.

    With *dockerfile* (its text, called *dockerfile_name* in messages) that is built, else the app
    in the context is planned; *package* then chooses among its programs. *epoch* sets every time
    stamp, in seconds since 1970; None keeps the files' own. *bases* says where base images come
    from: ``assemble`` makes them from Debian's packages, ``pull`` takes what the store has.
    """

    context: str
    dockerfile: str | None = None
    dockerfile_name: str = "Dockerfile"
    ignore: str = ""
    package: str = ""
    target: str = ""
    build_args: dict[str, str] = {}
    tag: str = ""
    epoch: int | None = None
    bases: str = "assemble"
    use_cache: bool = True
    refresh: bool = False


class BuildReport(Struct, frozen=True, kw_only=True):
    """What was built, and the proof of it.

    *single* is what an image of one stage would have weighed, *weight* what this one weighs. *index*
    is how the store's index writes the tag; *executed* counts the steps that ran.
    """

    image: Image
    reference: str
    dockerfile: str
    bases: tuple[Base, ...]
    executed: int
    amended: tuple[str, ...]
    weight: Weight
    single: Weight | None
    index: bytes = b""


def plan(folder: str, *, package: str = "") -> tuple[AppProfile, Plan]:
    """Return what the app in *folder* is and how it would be built.

    Raise a PlanError that says why if there is no plan for it.
    """
    from laststage.detect.folder import detect

    profile = detect(folder, package=package)
    return profile, make_plan(profile)


def build(workspace: Workspace, request: BuildRequest) -> BuildReport:
    """Build what *request* says and put the image into the store.

    Raise a LaststageError; the store is then as it was, but for cached steps.
    """
    workspace.enter()
    if request.dockerfile is not None:
        return _Build(workspace, request).run()
    profile, planned = plan(request.context, package=request.package)
    first = _Build(workspace, _planned(request, planned))
    report = first.run(tag=False)
    needs = first.needs(planned)
    if needs is None or needs == planned.needs:
        return first.tagged(report)
    # the program itself says what it can read: the plan is amended, and built again from cache
    amended = make_plan(msgspec.structs.replace(profile, needs=needs))
    changes = _changes(planned.needs, needs)
    workspace.sink(Noticed(f"plan amended after a look at the program: {', '.join(changes)}"))
    again = _Build(workspace, _planned(msgspec.structs.replace(request, refresh=False), amended))
    second = again.tagged(again.run(tag=False))
    return msgspec.structs.replace(
        second, amended=changes, executed=max(report.executed, second.executed)
    )


def _planned(request: BuildRequest, planned: Plan) -> BuildRequest:
    return msgspec.structs.replace(
        request, dockerfile=planned.dockerfile, ignore=planned.dockerignore + request.ignore
    )


def _changes(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    more = [f"with {name}" for name in after if name not in before]
    less = [f"without {name}" for name in before if name not in after]
    return (*more, *less)


class _Build:
    """One run of the engine over one Dockerfile."""

    def __init__(self, workspace: Workspace, request: BuildRequest) -> None:
        self._workspace = workspace
        self._request = request
        self._bases: dict[str, Base] = {}
        self._image: Image | None = None
        self._layers: list[str] = []

    def run(self, *, tag: bool = True) -> BuildReport:
        workspace, request = self._workspace, self._request
        assert request.dockerfile is not None
        parsed = parse(request.dockerfile, request.dockerfile_name)
        lowered = lower(
            parsed,
            self._resolve,
            platform=workspace.platform,
            target=request.target,
            build_args=request.build_args,
        )
        context = Context(request.context, IgnoreFile.parse(request.ignore), workspace.store)
        solver = Solver(lowered.graph, self._tools(context), use_cache=request.use_cache)
        self._layers = solver.solve()
        context.save()
        self._image = export_image(
            lowered,
            self._layers,
            solver.layered(),
            layers=workspace.layers,
            platform=workspace.platform,
            epoch=request.epoch,
            now=int(workspace.now()),
            annotations=self._annotations(lowered),
        )
        report = BuildReport(
            image=self._image,
            reference="",
            dockerfile=request.dockerfile,
            bases=tuple(self._bases.values()),
            executed=solver.executed,
            amended=(),
            weight=Scales(workspace.layers).weigh(self._layers),
            single=self._single(solver, lowered),
        )
        return self.tagged(report) if tag else report

    def tagged(self, report: BuildReport) -> BuildReport:
        """Give the image its tag, now that it is the one that was wanted."""
        if not self._request.tag:
            return report
        reference = Reference.parse(self._request.tag)
        index = self._workspace.layout.tag(reference, report.image.manifest)
        return msgspec.structs.replace(report, reference=str(reference), index=index)

    def needs(self, planned: Plan) -> tuple[str, ...] | None:
        """Return the packages that the built program can read files of, None if it does not tell."""
        from laststage.analysis.program import readable_packages

        path = planned.program.strip("/")
        for layer in reversed(self._layers):
            content = self._workspace.layers.read_file(layer, path)
            if content is not None:
                return readable_packages(content)
        raise BuildError(f"the image lacks its program {planned.program}")

    def _tools(self, context: Context) -> Tools:
        workspace = self._workspace
        return Tools(
            layers=workspace.layers,
            context=context,
            runner=workspace.runner,
            make_base=lambda layer, output: workspace.bases.make(self._bases[layer], output),
            sink=workspace.sink,
            ca_bundle=workspace.ca_bundle(),
            epoch=self._request.epoch,
            proxies={},
        )

    def _resolve(self, name: str, platform: Platform, omit: tuple[str, ...]) -> BaseImage:
        """Return the image that a FROM names: of this store, or assembled."""
        reference = Reference.parse(name)
        if self._request.bases == "assemble":
            base = self._workspace.bases.resolve(
                reference, platform, omit=omit, refresh=self._request.refresh
            )
            self._bases[base.layer] = base
            return BaseImage((base.layer,), base.config)
        found = self._workspace.layout.find(reference)
        if found is None:
            raise UsageError(
                f"no image {reference} in the store, and pulling is not built yet",
                hint="assemble it from Debian's packages: --bases assemble",
            )
        return self._stored(found)

    def _stored(self, descriptor: Descriptor) -> BaseImage:
        layout = self._workspace.layout
        manifest = layout.manifest(descriptor)
        config = layout.config(manifest)
        layers = tuple(
            self._workspace.layers.adopt(diff_id, layer)
            for diff_id, layer in zip(config.rootfs.diff_ids, manifest.layers, strict=True)
        )
        return BaseImage(layers, config.config, config.history, config.author)

    def _annotations(self, lowered: Lowered) -> dict[str, str]:
        """Return what the manifest says of its base, and of where that came from."""
        base = next(
            (b for b in self._bases.values() if b.reference == str(_reference(lowered.base))), None
        )
        if base is None:
            return {}
        found = {
            "org.opencontainers.image.base.name": base.reference,
            "dev.laststage.base.policy": "assemble",
        }
        if base.omit:
            found["dev.laststage.base.omit"] = ",".join(base.omit)
        return found

    def _single(self, solver: Solver, lowered: Lowered) -> Weight | None:
        """Return what one stage would have weighed: the stages copied from, with all left in them."""
        if not lowered.sources or not all(map(solver.is_complete, lowered.sources)):
            return None
        layers = [layer for node in lowered.sources for layer in solver.layers_of(node)]
        return Scales(self._workspace.layers).weigh(layers)


def _reference(name: str) -> Reference | None:
    try:
        return Reference.parse(name)
    except UsageError:
        return None


def dockerfile_text(path: str) -> str:
    """Return the text of a Dockerfile. Raise DockerfileError if it cannot be read as text."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DockerfileError(f"cannot read the Dockerfile: {reason}", where=path) from error


def ignore_text(context: str, dockerfile: str = "") -> str:
    """Return the ignore file that counts: ``DOCKERFILE.dockerignore``, else the context's own."""
    for path in (f"{dockerfile}.dockerignore" if dockerfile else "", f"{context}/.dockerignore"):
        if path and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
    return ""


def looked_at(workspace: Workspace, request: BuildRequest, report: BuildReport) -> list[str]:
    """Return every path on which the result of a build depends, and every one that it needs.

    Those are the context (without what is ignored), the ignore file and Dockerfile, the records
    of the bases, and the image's blobs.
    """
    ignore = request.ignore
    if request.dockerfile is None:
        ignore = plan(request.context, package=request.package)[1].dockerignore + ignore
    context = Context(request.context, IgnoreFile.parse(ignore), workspace.store)
    found = [f"{context.root}/{path}".rstrip("/") for path, _, _ in context.below("")]
    found += [f"{context.root}/.dockerignore", f"{context.root}/{request.dockerfile_name}"]
    if request.dockerfile is not None:
        name = os.path.abspath(request.dockerfile_name)
        found += [name, f"{name}.dockerignore"]
    found += [workspace.bases.record_path(base) for base in report.bases]
    blobs = workspace.layers.blobs
    manifest = report.image.manifest
    documents = [manifest, workspace.layout.manifest(manifest).config]
    layers = [layer.descriptor for layer in report.image.layers]
    return found + [blobs.path(d.parsed_digest) for d in (*documents, *layers)]


def run_image(workspace: Workspace, name: str, request: RunRequest) -> int:
    """Run the image *name* of the store in a sandbox; return its program's exit status."""
    workspace.enter()
    layout = workspace.layout
    manifest = layout.manifest(layout.resolve(name))
    config = layout.config(manifest)
    identifiers = [
        workspace.layers.adopt(diff_id, layer)
        for diff_id, layer in zip(config.rootfs.diff_ids, manifest.layers, strict=True)
    ]
    return run_container(
        config.config,
        identifiers,
        request,
        layers=workspace.layers,
        runner=workspace.runner(),
    )

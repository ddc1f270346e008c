"""What a build works with: the store, the runtime, the archive, the clock; made once, passed down."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from laststage.base.bases import Bases
from laststage.base.catalogue import Catalogue, Own
from laststage.base.supplies import Supplies
from laststage.errors import MachineError, NetworkError
from laststage.events import Sink, Warned, discard
from laststage.model.platform import Platform
from laststage.model.repository import Repository
from laststage.model.size import human_size
from laststage.net.progress import TransferStop
from laststage.oci.layerstore import Layers
from laststage.oci.layout import Layout
from laststage.store import leases, staging
from laststage.store.root import Store

if TYPE_CHECKING:
    from laststage.base.lock import Lock
    from laststage.debian.repositories import PackageSource
    from laststage.debian.sources import Mirrors
    from laststage.engine.copying import Fetched
    from laststage.graph.operations import RemoteFile
    from laststage.net.http import UrllibTransport
    from laststage.oci.documents import Descriptor
    from laststage.registry.client import Registry
    from laststage.registry.credentials import Credentials
    from laststage.sandbox.engines import Engine
    from laststage.sandbox.git import Git
    from laststage.sandbox.powers import Powers
    from laststage.sandbox.runtime import OciRuntime

# Where distributions keep their bundle of trusted certificates, the most usual first.
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Settings(Struct, frozen=True, kw_only=True):
    """What is set for this machine rather than for one build.

    *path* is where programs are looked for; *mirror* and *security_mirror* are Debian's, empty for
    those that the host's apt uses; *registries* by name, where Debian's own clients would not do;
    *proxies* by scheme. *lock* is the file that pins bases, empty for none; *own* are
    the bases that a project defines itself. *logins* is Docker's file of logins to registries,
    *other_logins* are files of the same form that are looked into after it; *certificates* are
    folders with a folder of certificates for each registry. *registry_mirrors* are asked before a
    registry, by its name; *insecure_registries* are hosts that need neither TLS nor a certificate
    that holds. *network* is what build steps get: the host's, or one that does not reach the host
    itself.
    """

    store: str
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    mirror: str = ""
    security_mirror: str = ""
    registries: dict[str, str] = {}
    ca_bundle: str = ""
    proxies: dict[str, str] = {}
    no_proxy: tuple[str, ...] = ()
    offline: bool = False
    allow_stale: bool = False
    lock: str = ""
    own: Own | None = None
    logins: str = ""
    other_logins: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    registry_mirrors: dict[str, tuple[str, ...]] = {}
    insecure_registries: tuple[str, ...] = ()
    network: Literal["host", "private"] = "host"


class Workspace:
    """The things that outlive one build in a process. Making one touches nothing."""

    def __init__(
        self, settings: Settings, *, sink: Sink = discard, now: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self.sink = TransferStop(sink)
        self.now = now
        self.store = Store(settings.store)
        self.layers = Layers(self.store, opaque=_opaque, fetch=self._fetch_layers)
        self.layout = Layout(self.store)
        self.platform = Platform.of_machine(os.uname().machine)
        self.catalogue = Catalogue(settings.own)
        self.bases = Bases(
            Supplies(
                catalogue=self.catalogue,
                layers=self.layers,
                archive=self._archive,
                mirrors=self.mirrors,
                runner=self.runner,
                transport=self.transport,
                exchange=self.transport,
                registries=settings.registries,
                sink=self.sink,
                offline=settings.offline,
            ),
            lock=self._lock,
        )
        self._runner: OciRuntime | None = None
        self._registry: Registry | None = None
        self._engines: dict[str, Engine] = {}
        self._memories = 0
        self.powers: Powers | None = None

    def enter(self) -> None:
        """Make this process ready to mount and run, and the store to be written to.

        To be called before any thread is started. What the machine lacks is said once. Raise
        MachineError or StoreError.
        """
        if self.powers is not None:
            return
        from laststage.sandbox import namespace
        from laststage.sandbox.overlay import mount_memory, probed

        powers = namespace.enter()
        self.hold()
        staging.sweep(self.store)
        with self.layers.snapshots.staging() as folder:
            self.powers = probed(powers, folder)
        # what must never be on a disk: a step's secrets, and the bundle that names its variables
        mount_memory(self.store.path("memory"), powers)
        for lack in self.powers.lacks:
            self.sink(Warned(str(lack)))

    def hold(self) -> None:
        """Make the store ready, and keep what this process uses of it from being collected.

        Raise StoreError if the store cannot be written to.
        """
        self.store.prepare()
        leases.take(self.store)

    def new_memory(self) -> str:
        """Return the path of a new folder in memory, gone with this process; it is not made yet."""
        self._memories += 1
        return self.store.path("memory", f"build-{self._memories}")

    def runner(self) -> OciRuntime:
        """Return the OCI runtime of this machine. Raise MachineError if it can run nothing."""
        if self._runner is None:
            from laststage.sandbox.namespace import enter
            from laststage.sandbox.runtime import find_runtime

            enter().require_steps()

            self._runner = find_runtime(self.settings.path, self.store.path("memory"))
        return self._runner

    def stop(self) -> None:
        """End what steps run and fetch, until `sink.resume()`."""
        self.sink.stop()
        with contextlib.suppress(MachineError):  # where nothing can run, nothing does
            self.runner().stop()

    def engine(self, wanted: str) -> Engine:
        """Return the Docker or Podman that waits for an image, *wanted* or whichever there is.

        To be called before `enter` for the first time. Raise EngineMissingError or EngineError.
        """
        if wanted not in self._engines:
            from laststage.sandbox.engines import find_engine

            self._engines[wanted] = find_engine(self.settings.path, wanted)
        return self._engines[wanted]

    def mirrors(self) -> Mirrors | None:
        """Return Debian's mirrors: as set, else those that the host's apt uses, if any."""
        from laststage.debian.sources import Mirrors, host_mirrors

        settings = self.settings
        if settings.mirror:
            return Mirrors.of(settings.mirror, settings.security_mirror)
        return host_mirrors()

    def fetch(self, file: RemoteFile) -> Fetched:
        """Return a remote file or repository for ADD, fetched into the store.

        With a checksum a file is fetched once. Raise NetworkError, or IntegrityError if it is another.
        """
        from laststage.engine.fetching import fetch_file, fetch_repository

        repository = Repository.parse(file.url)
        if repository is None:
            return fetch_file(self.store, self.transport(), file.url, file.checksum)
        return fetch_repository(
            self.store, self.git(), repository, file.checksum, keep_git_dir=file.keep_git_dir
        )

    def git(self) -> Git:
        """Return the machine's git. Raise MachineError if it has none."""
        from laststage.sandbox.git import Git

        return Git(self.settings.path, self.ca_bundle())

    def transport(self) -> UrllibTransport:
        """Return what fetches over HTTP, with this machine's certificates and proxies."""
        from laststage.net.http import UrllibTransport

        return UrllibTransport(
            ca_file=self.ca_bundle(),
            proxies=self.settings.proxies,
            no_proxy=self.settings.no_proxy,
            certificates=self.settings.certificates,
        )

    def registry(self, credentials: Credentials | None = None) -> Registry:
        """Return what speaks to registries, with *credentials* or the logins of this machine.

        Raise CredentialsError if a file of logins cannot be read, StoreError if the store cannot be used.
        """
        self.hold()
        if credentials is not None:
            return self._new_registry(credentials)
        if self._registry is None:
            self._registry = self._new_registry(self._credentials())
        return self._registry

    def _new_registry(self, credentials: Credentials) -> Registry:
        from laststage.net.offline import Offline
        from laststage.registry.client import Registry
        from laststage.registry.names import RegistryConfig

        settings = self.settings
        return Registry(
            Offline() if settings.offline else self.transport(),
            self.store,
            config=RegistryConfig(settings.registry_mirrors, settings.insecure_registries),
            credentials=credentials,
            sink=self.sink,
        )

    def _credentials(self) -> Credentials:
        from laststage.registry.credentials import Credentials, read_logins
        from laststage.sandbox.credentials import HelperPrograms

        paths = filter(None, (self.settings.logins, *self.settings.other_logins))
        return Credentials(read_logins(paths), runner=HelperPrograms(self.settings.path))

    def ca_bundle(self) -> str | None:
        """Return the file of certificates that this machine trusts, None if none is found."""
        candidates = (self.settings.ca_bundle, *_CA_BUNDLES)
        return next((path for path in candidates if path and os.path.isfile(path)), None)

    def _fetch_layers(self, blobs: Sequence[Descriptor]) -> None:
        """Fetch layers that were only described when their image was named."""
        if self.settings.offline:
            size = human_size(sum(blob.size for blob in blobs))
            raise NetworkError(
                f"offline, and not here: {len(blobs)} layers of a base image ({size})",
                hint="build once without --offline",
            )
        self.registry().complete(blobs)

    def _lock(self) -> Lock | None:
        if not self.settings.lock:
            return None
        from laststage.base.lock import read_lock

        return read_lock(self.settings.lock)

    def _archive(self, suites: tuple[str, ...], platform: Platform) -> PackageSource:
        from functools import partial

        from laststage.debian.architecture import debian_architecture
        from laststage.debian.archive import Archive
        from laststage.debian.repositories import JoinedArchive
        from laststage.debian.sources import Mirrors

        archive = partial(
            Archive,
            transport=self.transport(),
            architecture=debian_architecture(platform),
            now=int(self.now()),
            sink=self.sink,
            offline=self.settings.offline,
            allow_stale=self.settings.allow_stale,
        )
        main = archive(self.store.path("debian"), mirrors=self.mirrors(), suites=suites)
        others = []
        for repository in self.catalogue.own.repositories:
            other = archive(
                self.store.path("repositories", repository.name),
                mirrors=Mirrors.of(repository.url, repository.url),
                suites=(repository.suite,),
                components=repository.components,
                keyring=repository.key,
                is_debian=False,
            )
            others.append((repository, other))
        return JoinedArchive(main, others) if others else main


def _opaque() -> str:
    from laststage.sandbox.overlay import opaque_attribute

    return opaque_attribute()

"""A Debian archive: from the names of suites to verified package files on this machine.

    InRelease (signature, identity, dates) -> Packages by digest -> .deb by digest

Nothing gets its name in the cache before it was verified, so whatever breaks off, wherever, the
next run goes on from what is complete.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from urllib.parse import quote

from laststage.debian.cache import Cache
from laststage.debian.packages import Index, Package, SuiteIndex
from laststage.debian.release import (
    KEYRING,
    MAX_RELEASE_SIZE,
    ExpiredError,
    IdentityError,
    IndexFile,
    Release,
    verified_release,
)
from laststage.debian.sources import Mirrors
from laststage.debian.unpack import unpack_index
from laststage.errors import NetworkError, StoreError, UsageError
from laststage.events import Sink, Warned, discard
from laststage.model.size import human_size
from laststage.net.download import download
from laststage.net.http import MissingError, Transport, fetch
from laststage.net.progress import Progress
from laststage.net.retry import DELAYS, retrying
from laststage.store.atomic import disk_errors

CONNECTIONS = 8
_SUITE = re.compile(r"[a-z][a-z0-9-]*")


def suites_of(codename: str) -> tuple[str, ...]:
    """Return the suites that make up the stable release *codename*."""
    return (codename, f"{codename}-updates", f"{codename}-security")


class Archive:
    """The packages of *suites* for one architecture, from *mirrors* or from *directory*.

    What is not Debian's own (*is_debian*) may be of anybody whose key *keyring* holds.
    Made once and used by one thread at a time; fetch() uses threads of its own.
    """

    def __init__(
        self,
        directory: str,
        *,
        transport: Transport,
        mirrors: Mirrors | None,
        suites: Sequence[str],
        architecture: str,
        now: int,
        sink: Sink = discard,
        offline: bool = False,
        allow_stale: bool = False,
        keyring: str = KEYRING,
        components: Sequence[str] = ("main",),
        is_debian: bool = True,
        delays: tuple[float, ...] = DELAYS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        for name in (*suites, *components, architecture):
            if not _SUITE.fullmatch(name):  # they become parts of paths and addresses
                raise UsageError(f"not the name of a suite or architecture: {name!r}")
        self.suites = tuple(suites)
        self.architecture = architecture
        self._cache = Cache(directory)
        self._transport = transport
        self._mirrors = mirrors
        self._now = now
        self._sink = sink
        self._offline = offline
        self._allow_stale = allow_stale
        self._keyring = keyring
        self._components = tuple(components)
        self._is_debian = is_debian
        self._delays = delays
        self._sleep = sleep
        self._index: Index | None = None
        self._releases: tuple[Release, ...] = ()

    @property
    def releases(self) -> tuple[Release, ...]:
        """The Release of each suite, in the order of suites; empty before refresh() or index()."""
        return self._releases

    def refresh(self) -> tuple[Release, ...]:
        """Fetch and verify the Release of every suite, and the indexes that are new.

        Raise NetworkError if the mirror cannot be reached, a TrustError if it cannot be trusted.
        """
        self._index = self._refreshed()
        return self._releases

    def index(self, *, max_age: int = 3600) -> Index:
        """Return the packages of all suites, refreshed if the lists are older than *max_age* seconds.

        Offline, or with a warning where the mirror cannot be reached, the lists are used that are
        here, as long as they are valid.
        """
        if self._index is None:
            self._index = self._current(max_age)
        return self._index

    def fetch(self, packages: Iterable[Package]) -> list[str]:
        """Return the paths of *packages*' files, in their order, having fetched what is missing.

        Raise NetworkError or IntegrityError for the first that cannot be had; what is complete by
        then stays.
        """
        wanted = list(packages)
        missing = {
            package.digest: package
            for package in wanted
            if not self._cache.has_package(package.digest, package.size, now=self._now)
        }
        if missing:
            self._need_network(
                f"{_some(missing.values())} ({human_size(sum(p.size for p in missing.values()))})"
            )
            self._fetch_all(sorted(missing.values(), key=lambda p: (-p.size, p.name)))
        return [self._cache.package_path(package.digest) for package in wanted]

    def _fetch_all(self, packages: list[Package]) -> None:
        """Fetch *packages*, several at a time: the largest first, so that none is left to wait for."""
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

        with disk_errors(f"making {self._cache.packages}"):
            os.makedirs(self._cache.packages, exist_ok=True)
        progress = Progress("packages", sum(package.size for package in packages), self._sink)
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="fetch") as pool:
            try:
                futures = [pool.submit(self._fetch_package, p, progress) for p in packages]
                wait(futures, return_when=FIRST_EXCEPTION)
                failed = next((f for f in futures if f.done() and f.exception()), None)
                if failed:
                    failed.result()
            finally:
                progress.stop()  # also at Ctrl-C: transfers end at their next piece
                pool.shutdown(wait=True, cancel_futures=True)
        progress.finish()

    def _fetch_package(self, package: Package, progress: Progress) -> None:
        url = f"{self._base(package.suite)}/{quote(package.filename, safe='/+~:')}"
        try:
            download(
                self._transport,
                url,
                self._cache.package_path(package.digest),
                digest=package.digest,
                size=package.size,
                progress=progress.advance,
                delays=self._delays,
                sleep=self._sleep,
            )
        except MissingError as error:
            raise MissingError(
                error.message,
                where=str(package),
                hint="the mirror has dropped this version, or does not have it yet; refresh the "
                "package lists, renew the lock file, or use another mirror",
            ) from error

    def _fetch_release(self, suite: str) -> tuple[Release, bytes]:
        self._need_network(f"the package lists of {suite}")
        url = f"{self._base(suite)}/dists/{suite}/InRelease"
        data = retrying(
            lambda: fetch(self._transport, url, limit=MAX_RELEASE_SIZE),
            delays=self._delays,
            sleep=self._sleep,
        )
        return self._verified(suite, data, url), data

    def _verified(self, suite: str, data: bytes, where: str) -> Release:
        release = verified_release(
            data,
            suite=suite,
            now=self._now,
            where=where,
            keyring=self._keyring,
            newest=self._cache.newest(suite),
            stale_is_fine=self._allow_stale,
            is_debian=self._is_debian,
        )
        if self.architecture not in release.architectures:
            raise IdentityError(
                f"{suite} has no packages for {self.architecture}",
                hint=f"it has them for {', '.join(release.architectures)}",
            )
        return release

    def _is_fresh(self, max_age: int) -> bool:
        # a time stamp from the future says nothing
        return all(0 <= self._now - self._cache.fetched(suite) <= max_age for suite in self.suites)

    def _current(self, max_age: int) -> Index:
        if self._offline or not self._mirrors or self._is_fresh(max_age):
            return self._cached()
        try:
            return self._refreshed()
        except NetworkError as error:
            if not all(self._cache.fetched(suite) for suite in self.suites):
                raise
            index = self._cached_despite(error)
            days = max(0, self._now - min(map(self._cache.fetched, self.suites))) // 86400
            age = f"{days} days old" if days else "of today"
            self._sink(
                Warned(f"the package lists are {age}: newer ones cannot be had: {error.message}")
            )
            return index

    def _refreshed(self) -> Index:
        with disk_errors(f"making {self._cache.directory}"):
            for folder in (self._cache.releases, self._cache.indexes, self._cache.packages):
                os.makedirs(folder, exist_ok=True)
        fresh = [self._fetch_release(suite) for suite in self.suites]
        releases = tuple(release for release, _ in fresh)
        indexes = self._suite_indexes(releases)
        # kept only now: an InRelease in the cache has its index beside it
        for suite, (release, data) in zip(self.suites, fresh, strict=True):
            self._cache.put_release(suite, data, date=release.date, now=self._now)
        self._cache.tidy(self._now)
        self._releases = releases
        return Index(indexes)

    def _cached(self) -> Index:
        """Return the index as it is in the cache; fetch what of it got lost, if that is possible."""
        kept = [(suite, self._cache.release(suite)) for suite in self.suites]
        if lacking := [suite for suite, data in kept if data is None]:
            raise self._lack(f"the package lists of {', '.join(lacking)}")
        releases = tuple(
            self._verified(suite, data or b"", f"the cached InRelease of {suite}")
            for suite, data in kept
        )
        index = Index(self._suite_indexes(releases))
        self._releases = releases
        return index

    def _cached_despite(self, error: NetworkError) -> Index:
        """Return the index from the cache; if that has expired, *error* is the reason to name."""
        try:
            return self._cached()
        except ExpiredError as expired:
            raise NetworkError(
                f"{error.message}; and {expired.message}",
                hint="check the network, name another mirror with --mirror, or accept what is here "
                "with --allow-stale",
            ) from error

    def _suite_indexes(self, releases: Sequence[Release]) -> list[SuiteIndex]:
        return [
            self._suite_index(suite, release, component)
            for suite, release in zip(self.suites, releases, strict=True)
            for component in self._components
        ]

    def _suite_index(self, suite: str, release: Release, component: str) -> SuiteIndex:
        plain = f"{component}/binary-{self.architecture}/Packages"
        file = _listed(release, plain, suite)
        index = self._cache.index(suite, file)
        if index is None:
            self._need_network(f"the package lists of {suite}")
            self._fetch_index(suite, release, plain)
            index = self._cache.index(suite, file)
        if index is None:
            raise StoreError(f"the package lists of {suite} vanished as soon as they were here")
        return index

    def _fetch_index(self, suite: str, release: Release, plain: str) -> None:
        name = next((f"{plain}.{x}" for x in ("xz", "gz") if f"{plain}.{x}" in release.files), "")
        packed = _listed(release, name or f"{plain}.xz", suite)
        target = os.path.join(self._cache.indexes, _listed(release, plain, suite).digest.hex)
        temporary = f"{target}.{os.path.basename(name)}.{os.getpid()}.{threading.get_ident()}"
        progress = Progress(f"package lists of {suite}", packed.size, self._sink)
        try:
            self._fetch_listed(suite, release, name, temporary, progress)
            progress.finish()
            unpack_index(temporary, target, release.files[plain], f"{suite}: {name}")
            os.utime(target, (self._now, self._now))
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def _fetch_listed(
        self, suite: str, release: Release, name: str, path: str, progress: Progress
    ) -> None:
        """Fetch the file *name* of *release* to *path*: by its digest, which no update pulls away."""
        file = release.files[name]
        base = f"{self._base(suite)}/dists/{suite}"
        urls = [f"{base}/{name}"]
        if release.by_hash:
            urls.insert(0, f"{base}/{os.path.dirname(name)}/by-hash/SHA256/{file.digest.hex}")
        for url in urls:
            try:
                download(
                    self._transport,
                    url,
                    path,
                    digest=file.digest,
                    size=file.size,
                    progress=progress.advance,
                    delays=self._delays,
                    sleep=self._sleep,
                )
            except MissingError:
                if url == urls[-1]:
                    raise
            else:
                return

    def _base(self, suite: str) -> str:
        assert self._mirrors is not None
        return self._mirrors.base(suite)

    def _need_network(self, what: str) -> None:
        """Raise NetworkError, saying that *what* is lacking, where nothing may or can be fetched."""
        if self._offline or self._mirrors is None:
            raise self._lack(what)

    def _lack(self, what: str) -> NetworkError:
        if self._offline:
            return NetworkError(
                f"offline, and not here: {what}", hint="build once without --offline"
            )
        return NetworkError(
            f"no Debian mirror is known, and not here: {what}",
            hint="name a mirror with --mirror; this machine's apt sources name none",
        )


def _listed(release: Release, name: str, suite: str) -> IndexFile:
    if name not in release.files:
        raise IdentityError(f"the Release file of {suite} does not list {name}")
    return release.files[name]


def _some(packages: Iterable[Package]) -> str:
    names = sorted(package.name for package in packages)
    count = "1 package" if len(names) == 1 else f"{len(names)} packages"
    if len(names) <= 5:
        return f"{count}: {', '.join(names)}"
    return f"{count}: {', '.join(names[:4])} and {len(names) - 4} more"

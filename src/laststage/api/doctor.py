"""What a build needs of this machine, its network and its settings, and what of that is there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from http import HTTPStatus

from laststage.errors import LaststageError
from laststage.sandbox.machine import Check, examine, failure
from laststage.sandbox.probing import Probe
from laststage.sandbox.remedies import distribution
from laststage.workspace import Workspace

_PATIENCE = 3.0
# a signature's date counts in days; a registry's token in minutes
_SKEW = 120
_RELEASED = 1_760_000_000  # laststage is younger than this: a clock before it is wrong


def examine_machine(workspace: Workspace) -> tuple[Check, ...]:
    """Return what was found, the machine first. Raise nothing: what fails is a result.

    Unless the settings say offline, Debian's mirror is asked.
    """
    try:
        workspace.store.prepare()
    except LaststageError as error:
        # another store may do, so all the rest is looked at as well
        with tempfile.TemporaryDirectory(prefix="laststage-doctor-") as folder:
            checks = _examined(workspace, folder, folder)
        lack = failure("store", error)
        return tuple(lack if check.name == "store" else check for check in checks)
    return _examined(workspace, workspace.store.root, workspace.store.path("staging"))


def _examined(workspace: Workspace, root: str, staging: str) -> tuple[Check, ...]:
    path = workspace.settings.path
    probe = Probe(staging, path)
    settings = _settings(workspace)  # while the other process tries things out
    return (*examine(root, path, probe.result()), *settings)


def _settings(workspace: Workspace) -> tuple[Check, ...]:
    return (_authorities(workspace), *_mirror(workspace), *_logins(workspace))


def _authorities(workspace: Workspace) -> Check:
    bundle = workspace.ca_bundle()
    if bundle is not None:
        return Check("certificates", "ok", bundle)
    return Check(
        "certificates",
        "missing",
        "no bundle of authorities is found",
        "nothing can be fetched over TLS",
        distribution().install("ca-certificates"),
    )


def _mirror(workspace: Workspace) -> Iterator[Check]:
    """Yield whether Debian's mirror is known and answers, and whether its clock is ours."""
    now = int(workspace.now())
    if now < _RELEASED:
        yield _clock("before this program was written", now)
    settings = workspace.settings
    try:
        mirrors = workspace.mirrors()
    except LaststageError as error:
        yield failure("mirror", error)
        return
    consequence = "no base can be assembled; --bases pull takes images as they are"
    if mirrors is None:
        remedy = "name one with --mirror, LASTSTAGE_MIRROR or in laststage.toml"
        yield Check("mirror", "limited", "no mirror of Debian is known", consequence, remedy)
        return
    if settings.offline:
        yield Check("mirror", "ok", f"{mirrors.archive}, not asked: offline")
        return
    status, date = _asked(workspace, f"{mirrors.archive}/dists/stable/InRelease")
    if status != "":
        yield Check(
            "mirror",
            "limited",
            status,
            f"{consequence}; what the store holds still builds with --offline",
            "look at the network and the proxy, or name another with --mirror",
        )
        return
    yield Check("mirror", "ok", f"{mirrors.archive} answers")
    if date is not None and abs(date - now) > _SKEW and now >= _RELEASED:
        yield _clock(f"{abs(date - now)} seconds from the mirror's", now)
    elif now >= _RELEASED:
        yield Check("clock", "ok", "as the mirror's" if date is not None else "plausible")


def _clock(what: str, now: int) -> Check:
    return Check(
        "clock",
        "limited",
        f"{what} ({now} seconds since 1970)",
        "signatures and certificates may seem to be out of date, and so may files",
        "sudo timedatectl set-ntp true",
    )


def _asked(workspace: Workspace, address: str) -> tuple[str, int | None]:
    """Return why *address* does not answer (empty if it does), and its server's clock."""
    import email.utils

    from laststage.net.exchange import Request
    from laststage.net.http import UrllibTransport

    transport = UrllibTransport(
        ca_file=workspace.ca_bundle(),
        proxies=workspace.settings.proxies,
        no_proxy=workspace.settings.no_proxy,
        connect_timeout=_PATIENCE,
        read_timeout=_PATIENCE,
    )
    try:
        with transport, transport.send(Request("HEAD", address), limit=0) as answer:
            status, date = answer.status, answer.headers.get("date", "")
    except LaststageError as error:
        return error.message, None
    if status >= HTTPStatus.BAD_REQUEST:
        return f"{address} answers {status}", None
    try:
        return "", int(email.utils.parsedate_to_datetime(date).timestamp())
    except ValueError:
        return "", None


def _logins(workspace: Workspace) -> Iterator[Check]:
    """Yield whether the helpers are there that Docker's file of logins names."""
    import shutil

    from laststage.registry.credentials import read_docker_config
    from laststage.store import atomic

    place = workspace.settings.logins
    try:
        data = atomic.read(place) if place else None
        config = read_docker_config(data, place) if data else None
    except (LaststageError, OSError) as error:
        reason = error.message if isinstance(error, LaststageError) else str(error.strerror)
        yield Check(
            "logins", "limited", f"{place}: {reason}", "registries see no login", f"mend {place}"
        )
        return
    if config is None:
        return
    named = {*(config.helpers or {}).values(), *([config.store] if config.store else [])}
    programs = sorted(f"docker-credential-{name}" for name in named)
    lacking = [name for name in programs if not shutil.which(name, path=workspace.settings.path)]
    yield Check(
        "logins",
        "limited" if lacking else "ok",
        f"{', '.join(lacking)} missing" if lacking else place,
        "registries whose logins it keeps see none" if lacking else "",
        f"install {', '.join(lacking)}, or take it out of {place}" if lacking else "",
    )


def is_ready(checks: tuple[Check, ...]) -> bool:
    """Whether everything is there that a build cannot do without."""
    return all(check.status != "missing" for check in checks)

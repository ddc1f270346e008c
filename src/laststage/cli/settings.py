"""Settings from flags, environment and ``laststage.toml``, in that order."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from typing import Literal

from laststage.base.catalogue import Own
from laststage.cli import registries
from laststage.cli.receipt import store_root
from laststage.errors import UsageError
from laststage.workspace import Settings

_FILE = "laststage.toml"
_LOCK = "laststage.lock"
_MOST = 1 << 20  # bytes of a file of settings
_KEYS = {
    "mirror", "security-mirror", "npm-registry", "rust-registry", "store", "offline", "allow-stale",
    "insecure-registries", "gc-size", "gc-age", "network",
}  # fmt: skip
# read by those who need them
_OWN = {"bases", "slices", "repositories"}
_TABLES = {"app", "registries", *_OWN}


def add_settings(parser: ArgumentParser) -> None:
    """Add the flags that every command has which uses the store or the network."""
    group = parser.add_argument_group("settings")
    group.add_argument("--store", metavar="DIR", help="where images and caches are kept")
    group.add_argument("--mirror", metavar="URL", help="Debian's mirror; else what apt uses here")
    group.add_argument("--offline", action="store_true", help="use only what the store holds")
    group.add_argument(
        "--allow-stale", action="store_true", help="accept package lists that are out of date"
    )


def read_settings(options: Namespace, environ: Mapping[str, str], folder: str) -> Settings:
    """Return the settings for a command on *folder*. Raise UsageError for what is none."""
    file = read_file(f"{folder}/{_FILE}")
    store = options.store or environ.get("LASTSTAGE_STORE") or _text(file, "store")
    proxies = {
        scheme: address
        for scheme in ("http", "https")
        if (address := environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY"))
    }
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return Settings(
        store=os.path.abspath(store) if store else store_root([], environ),
        path=environ.get("PATH", os.defpath),
        mirror=options.mirror or environ.get("LASTSTAGE_MIRROR") or _text(file, "mirror"),
        security_mirror=environ.get("LASTSTAGE_SECURITY_MIRROR") or _text(file, "security-mirror"),
        registries=_registries(file, environ),
        ca_bundle=environ.get("LASTSTAGE_CA") or environ.get("SSL_CERT_FILE") or "",
        proxies=proxies,
        no_proxy=tuple(name.strip() for name in no_proxy.split(",") if name.strip()),
        offline=options.offline or _flag(file, "offline"),
        allow_stale=options.allow_stale or _flag(file, "allow-stale"),
        lock=os.path.abspath(f"{folder}/{_LOCK}"),
        own=_own(file, folder),
        logins=registries.docker_logins(environ),
        other_logins=registries.podman_logins(environ),
        certificates=registries.certificates(environ),
        registry_mirrors=registries.mirrors(file, _FILE),
        insecure_registries=registries.insecure(environ, _texts(file, "insecure-registries")),
        network=_network(file),
    )


def _network(file: dict[str, object]) -> Literal["host", "private"]:
    match _text(file, "network") or "host":
        case ("host" | "private") as word:
            return word
        case word:
            raise UsageError(f"network = {word!r}: not one of host, private", where=_FILE)


def _texts(file: dict[str, object], key: str) -> tuple[str, ...]:
    value = file.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"the setting {key} must be a list of texts", where=_FILE)
    return tuple(value)


def _own(file: dict[str, object], folder: str) -> Own | None:
    """Return the bases that the project in *folder* defines; keys stand beside the file."""
    tables = {name: table for name, table in file.items() if name in _OWN}
    if not tables:
        return None
    from laststage.base.own import read_own

    return read_own(tables, os.path.abspath(folder), f"{folder}/{_FILE}")


def epoch_of(environ: Mapping[str, str]) -> int | None:
    """Return SOURCE_DATE_EPOCH in seconds, None if it is not set. Raise UsageError."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > 0o77777777777:
        raise UsageError(f"SOURCE_DATE_EPOCH={text}: not a number of seconds since 1970")
    return int(text)


def read_file(path: str) -> dict[str, object]:
    """Return the settings in the file at *path*, none if it is not there. Raise UsageError."""
    if not os.path.exists(path):
        return {}
    if not os.path.isfile(path) or os.path.getsize(path) > _MOST:
        raise UsageError("the settings are no file of text", where=path)
    import tomllib

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read the settings: {error.strerror}", where=path) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the settings are not TOML: {error}",
            where=path,
            hint='write a setting as key = "text", and a table\'s name as [app], on lines of their own',
        ) from error
    for key in found:
        if key not in _KEYS | _TABLES:
            raise UsageError(
                f"unknown setting {key!r}", where=path, hint=nearest(key, _KEYS | _TABLES)
            )
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a *word* that is none of those *known*: the nearest, or all of them."""
    import difflib

    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"


def _registries(file: dict[str, object], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the registries that are set: here, or as their own clients have it."""
    npm = environ.get("npm_config_registry") or environ.get("NPM_CONFIG_REGISTRY")
    found = {
        "npm": npm or _text(file, "npm-registry") or _npmrc(f"{environ.get('HOME', '')}/.npmrc"),
        "rust": environ.get("RUSTUP_DIST_SERVER") or _text(file, "rust-registry"),
    }
    for name, address in found.items():
        if address and not address.startswith(("https://", "http://")):
            raise UsageError(
                f"not the address of a registry: {address!r}",
                hint=f"write {name}-registry as https://host/path",
            )
    return {name: address.rstrip("/") for name, address in found.items() if address}


def _npmrc(path: str) -> str:
    """Return the registry that the user's npm is set to, empty if to none or by a variable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.partition("=") for line in file]
    except OSError:
        return ""
    found = [value.strip().strip("'\"") for key, _, value in lines if key.strip() == "registry"]
    return found[-1] if found and "${" not in found[-1] else ""


def _text(file: dict[str, object], key: str) -> str:
    value = file.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"the setting {key} must be a text", where=_FILE)
    return value


def read_texts(folder: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return the settings *names* of the file in *folder*, "" for those that are not set."""
    file = read_file(f"{folder}/{_FILE}")
    return {name: _text(file, name) for name in names}


def _flag(file: dict[str, object], key: str) -> bool:
    value = file.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"the setting {key} must be true or false", where=_FILE)
    return value

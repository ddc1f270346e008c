"""What is set about registries of images: files of logins, certificates, mirrors, exceptions."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from laststage.errors import UsageError

# where Docker and Podman look for the certificates of single registries
_CERTIFICATES = ("/etc/docker/certs.d", "/etc/containers/certs.d")


def docker_logins(environ: Mapping[str, str]) -> str:
    """Return Docker's file of logins, empty if there is no place for it."""
    home = environ.get("HOME", "")
    folder = environ.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    return f"{folder}/config.json" if folder else ""


def podman_logins(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files in which Podman, Buildah and Skopeo keep logins."""
    own = environ.get("REGISTRY_AUTH_FILE", "")
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    home = environ.get("HOME", "")
    settings = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    found = [f"{folder}/containers/auth.json" for folder in (runtime, settings) if folder]
    return (*([own] if own else []), *found)


def certificates(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the folders that hold a folder of certificates for each registry."""
    home = environ.get("HOME", "")
    own = [f"{home}/.config/{name}/certs.d" for name in ("docker", "containers") if home]
    return (*own, *_CERTIFICATES)


def insecure(environ: Mapping[str, str], in_file: tuple[str, ...]) -> tuple[str, ...]:
    """Return the registries that need neither TLS nor a certificate that holds."""
    words = environ.get("LASTSTAGE_INSECURE_REGISTRIES", "").replace(",", " ").split()
    return (*words, *in_file)


def mirrors(file: Mapping[str, object], where: str) -> dict[str, tuple[str, ...]]:
    """Return the mirrors by registry, of the tables ``[registries."NAME"]``. Raise UsageError."""
    tables = file.get("registries", {})
    if not tables:
        return {}
    from laststage.registry.names import RegistryConfig, endpoints, registry_of

    if not isinstance(tables, dict):
        raise UsageError("registries must be tables", where=where, hint=_EXAMPLE)
    found: dict[str, tuple[str, ...]] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"registries.{name} must be a table", where=where, hint=_EXAMPLE)
        for key in table:
            if key != "mirrors":
                close = difflib.get_close_matches(key, ["mirrors"], 1)
                hint = "did you mean mirrors?" if close else "the one setting is mirrors"
                raise UsageError(
                    f"unknown setting {key!r} of registry {name}", where=where, hint=hint
                )
        addresses = table.get("mirrors", [])
        if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
            raise UsageError(
                f"the mirrors of registry {name} must be a list of texts",
                where=where,
                hint=_EXAMPLE,
            )
        found[registry_of(name)] = tuple(addresses)
        endpoints(registry_of(name), RegistryConfig(found))  # they are addresses, or it raises
    return found


_EXAMPLE = '[registries."docker.io"] and below it mirrors = ["https://HOST/PATH"]'

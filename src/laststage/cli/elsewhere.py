"""What other builders call things: the words that somebody who comes from there will type."""

from __future__ import annotations

_NOT_NEEDED = "leave it out: laststage always works so"
_CACHE = "the store is the cache: keep its folder from build to build, with --store DIR"
_QUIET = "--progress quiet prints warnings and the result alone"
_INSECURE = "insecure-registries in laststage.toml, or LASTSTAGE_INSECURE_REGISTRIES=HOST:PORT"
_LOGIN = "`laststage login` knows it; DOCKER_CONFIG and REGISTRY_AUTH_FILE say where logins are"
_NO_DOCUMENTS = "laststage does not write such documents yet"
_TERMINAL = "leave it out: the program has your terminal and your standard input"
_NETWORK = "leave it out: the program shares this machine's network, its ports too"
_STAYS = "leave it out: nothing stays of a program that has ended"
_NO_FOLDERS = "no folder of this machine is mounted; `laststage save IMAGE -o - | docker load`"

COMMANDS = {
    "buildx": "build", "builder": "build", "bake": "build", "convert": "init", "generate": "init",
    "new": "init", "detect": "plan", "explain": "plan", "check": "lint", "validate": "lint",
    "image": "images", "list": "images", "ls": "images", "ps": "images", "rm": "rmi",
    "remove": "rmi", "delete": "rmi", "prune": "gc", "system": "gc", "clean": "gc",
    "export": "save", "import": "load", "upload": "push", "download": "pull", "fetch": "pull",
    "start": "run", "exec": "run", "info": "doctor", "bases": "base",
}  # fmt: skip

_FLAGS = {
    "build": {
        "-q": _QUIET, "--quiet": _QUIET, "--verbosity": _QUIET,
        "--rm": _NOT_NEEDED, "--force-rm": _NOT_NEEDED, "--compress": _NOT_NEEDED,
        "--layers": _NOT_NEEDED, "--reproducible": _NOT_NEEDED, "--cleanup": _NOT_NEEDED,
        "--snapshot-mode": _NOT_NEEDED, "--single-snapshot": _NOT_NEEDED, "--use-new-run": _NOT_NEEDED,
        "--cache": _CACHE, "--cache-from": _CACHE, "--cache-to": _CACHE, "--cache-dir": _CACHE,
        "--cache-repo": _CACHE, "--export-cache": _CACHE, "--import-cache": _CACHE,
        "--sbom": _NO_DOCUMENTS, "--provenance": _NO_DOCUMENTS, "--attest": _NO_DOCUMENTS,
        "-c": "the context is the PATH: laststage build [-f FILE] PATH",
        "--context": "the context is the PATH: laststage build [-f FILE] PATH",
        "--dockerfile": "-f FILE",
        "--destination": "-t NAME --push",
        "-d": "-t NAME --push",
        "--no-push": "leave it out: nothing is pushed without --push",
        "--digest-file": "--metadata-file FILE has the digest, as JSON",
        "--image-name-with-digest-file": "--metadata-file FILE has name and digest, as JSON",
        "--tar-path": "-o type=docker,dest=FILE",
        "--tarPath": "-o type=docker,dest=FILE",
        "--oci-layout-path": "-o type=oci,dest=FILE",
        "--insecure": _INSECURE, "--insecure-registry": _INSECURE, "--skip-tls-verify": _INSECURE,
        "--tls-verify": _INSECURE, "--insecure-pull": _INSECURE,
        "--registry-mirror": "mirrors stand in laststage.toml: see docs/registries.md",
        "--authfile": _LOGIN, "--creds": _LOGIN,
    },
    "run": {
        "--rm": _STAYS, "--name": _STAYS,
        "-i": _TERMINAL, "-t": _TERMINAL, "--interactive": _TERMINAL, "--tty": _TERMINAL,
        "-p": _NETWORK, "-P": _NETWORK, "--publish": _NETWORK, "--publish-all": _NETWORK,
        "--network": _NETWORK, "--net": _NETWORK,
        "-v": _NO_FOLDERS, "--volume": _NO_FOLDERS, "--mount": _NO_FOLDERS,
        "-d": "end the command with &, or make a service of it",
        "--detach": "end the command with &, or make a service of it",
    },
    "pull": {"-q": _QUIET, "--quiet": _QUIET, "--creds": _LOGIN, "--tls-verify": _INSECURE},
    "push": {"-q": _QUIET, "--quiet": _QUIET, "--creds": _LOGIN, "--tls-verify": _INSECURE},
    "images": {
        "-q": "--json has the digests", "--quiet": "--json has the digests",
        "--format": "--json has all that there is", "-a": _NOT_NEEDED, "--all": _NOT_NEEDED,
    },
    "rmi": {"-f": _NOT_NEEDED, "--force": _NOT_NEEDED},
    "gc": {"-f": _NOT_NEEDED, "--force": _NOT_NEEDED, "-a": "--all"},
}  # fmt: skip


def said_here(command: str, flag: str) -> str:
    """Return what to say in place of another tool's *flag*, "" if nobody has such a flag."""
    flags = _FLAGS.get(command, {})
    if flag in flags or flag.startswith("--"):
        return flags.get(flag, "")
    return flags.get(flag[:2], "")  # -it, -p8080:80

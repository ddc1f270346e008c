"""What the owner of an app says of it: flags, and ``[app]`` in ``laststage.toml``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from laststage.cli.settings import read_file
from laststage.detect.settings import AppSettings
from laststage.errors import UsageError

_FILE = "laststage.toml"


def add_app_options(parser: ArgumentParser) -> None:
    """Add the flags that say what an app is; each has a key in ``[app]`` of the same name."""
    add = parser.add_argument_group("the app, where its own files do not tell").add_argument
    add("--language", metavar="NAME", default="", help="plan it as an app in this language")
    add("--language-version", metavar="VERSION", default="", help="with this version of it")
    add("--package", metavar="PATH", default="", help="the program to build, of several")
    add("--build-command", metavar="COMMAND", default="", help="how it is built")
    add("--start", metavar="COMMAND", default="", help="how it starts; no shell takes part")
    add("--output-folder", metavar="PATH", default="", help="where its build leaves the site")
    add("--env", metavar="NAME=VALUE", action="append", default=[], help="set it at run time")
    add("--port", metavar="PORT", type=int, default=0, help="the port that it listens on")
    add("--health", metavar="PATH", default="", help="a path that answers when it is well")
    add("--include", metavar="PATH", action="append", default=[], help="a file it reads as it runs")
    add("--apt", metavar="PACKAGE", action="append", default=[], help="a package it runs with")
    add("--build-apt", metavar="PACKAGE", action="append", default=[], help="one it builds with")


def read_app(options: Namespace, folder: str) -> AppSettings:
    """Return what is said of the app in *folder*: by flag, else by the file. Raise UsageError."""
    said = said_in(folder)
    env = {}
    for word in options.env:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"--env {word}: not NAME=VALUE")
        env[name] = value
    return AppSettings(
        language=options.language or said.language,
        version=options.language_version or said.version,
        package=options.package or said.package,
        build=options.build_command or said.build,
        start=options.start or said.start,
        packages=(*said.packages, *options.apt),
        build_packages=(*said.build_packages, *options.build_apt),
        files=(*said.files, *options.include),
        env={**said.env, **env},
        port=_port(options.port or said.port),
        health=options.health or said.health,
        output=options.output_folder or said.output,
    )


def said_in(folder: str) -> AppSettings:
    """Return what the file in *folder* says of the app. Raise UsageError."""
    path = f"{folder}/{_FILE}"
    table = read_file(path).get("app", {})
    import msgspec

    try:
        return msgspec.convert(table, AppSettings)
    except msgspec.ValidationError as error:
        keys = ", ".join(field.encode_name for field in msgspec.structs.fields(AppSettings))
        raise UsageError(f"[app]: {error}", where=path, hint=f"its keys: {keys}") from error


def _port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port}: not a port", hint="a number from 1 to 65535")
    return port

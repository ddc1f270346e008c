"""Trying out, in a process of its own, what a build does to this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import Struct, json

from laststage.errors import MachineError
from laststage.sandbox import namespace, syscalls

_TESTED = "user.laststage"


class Probed(Struct, frozen=True):
    """What was found: each text is empty for what works, and says why where something does not.

    None is what was not tried. *runtime* is its name and version; *hint* belongs to *namespaces*.
    """

    namespaces: str = ""
    hint: str = ""
    overlay: str | None = None
    runtime: str = ""
    started: str | None = None
    lacking: tuple[str, ...] = ()


class Probe:
    """A child process that tries namespaces, overlay, the file system and the runtime in *folder*.

    It begins at once, and deletes again what it makes there. To be made before any thread is
    started; *path* is where the runtime is looked for.
    """

    def __init__(self, folder: str, path: str) -> None:
        self._pipe, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                try:
                    found = _probed(folder, path)
                except Exception as error:  # whatever it is, it is what a build would meet
                    found = Probed(f"{type(error).__name__}: {error}")
                os.write(writing, json.encode(found))
            finally:
                os._exit(0)
        os.close(writing)

    def result(self) -> Probed:
        """Wait for it, and return what it found."""
        with os.fdopen(self._pipe, "rb") as pipe:
            data = pipe.read()
        os.waitpid(self._child, 0)
        try:
            return json.decode(data, type=Probed)
        except msgspec.MsgspecError:
            return Probed(namespaces="what was to try them out has failed")


def _probed(folder: str, path: str) -> Probed:
    powers = namespace.enter()
    if (lack := powers.no_steps) is not None:
        return Probed(lack.text, lack.hint, runtime=_version(path), lacking=_lacking(folder))
    own = f"{folder}/probe-{os.urandom(6).hex()}"
    try:
        os.makedirs(own, 0o755)
    except OSError as error:
        return Probed(runtime=_version(path), lacking=(f"cannot write: {error.strerror}",))
    try:
        return Probed(
            overlay=_overlay(own),
            runtime=_version(path),
            started=_start(own, path),
            lacking=_lacking(own),
        )
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _overlay(folder: str) -> str:
    parts = {name: f"{folder}/{name}" for name in ("lower", "upper", "work", "merged")}
    for part in parts.values():
        os.mkdir(part)
    options = "lowerdir=lower,upperdir=upper,workdir=work"
    options += ",userxattr" if namespace.in_user_namespace() else ""
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)  # short names, without a comma or colon of the path in them
        syscalls.mount("overlay", "merged", "overlay", 0, options)
        try:
            os.mkdir("merged/probe")  # it can be mounted and yet be for reading only
        finally:
            syscalls.umount("merged")
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.fchdir(before)
        os.close(before)
    return ""


def _version(path: str) -> str:
    """Return the name and version of the runtime that steps would run in, empty for none."""
    import subprocess

    for name in ("crun", "runc"):
        program = shutil.which(name, path=f"{path}:/usr/sbin:/sbin")
        if program is not None:
            try:
                done = subprocess.run(
                    [program, "--version"],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    check=False,
                )
            except OSError:
                return name  # why it does not start, _start() tells
            words = done.stdout.partition("\n")[0].split()
            return f"{name} {words[-1]}" if words else name
    return ""


def _start(folder: str, path: str) -> str | None:
    """Start a container in an empty root, up to where its program would begin; say what fails."""
    from laststage.sandbox.runtime import CommandNotFoundError, find_runtime
    from laststage.sandbox.spec import SandboxSpec

    os.makedirs(f"{folder}/root/proc")
    try:
        runtime = find_runtime(path, f"{folder}/state")
    except MachineError:
        return None
    try:
        status = runtime.run(
            SandboxSpec(root=f"{folder}/root", argv=("/nothing",), network="none"), _discard
        )
    except CommandNotFoundError:
        return ""  # all was set up, and then there was no such program: none was put there
    except (MachineError, OSError) as error:
        return str(error)
    return f"it ended with status {status} and started nothing"


def _discard(_line: str) -> None:
    pass


def _lacking(folder: str) -> tuple[str, ...]:
    """Return what the file system of *folder* cannot do."""
    one, two = f"{folder}/.probe-{os.urandom(6).hex()}", f"{folder}/.probe-{os.urandom(6).hex()}"
    found = []
    try:
        with open(one, "xb"):
            pass
        attempts: tuple[tuple[str, Callable[[], None]], ...] = (
            ("no hard links", partial(os.link, one, f"{one}-linked")),
            ("no extended attributes", partial(os.setxattr, one, _TESTED, b"x")),
            ("files cannot be renamed", partial(os.replace, one, two)),
        )
        for what, attempt in attempts:
            try:
                attempt()
            except OSError as error:
                found.append(f"{what} ({error.strerror})")
    except OSError as error:
        found.append(f"cannot write: {error.strerror}")
    finally:
        for left in (one, two, f"{one}-linked"):
            if os.path.lexists(left):
                os.unlink(left)
    return tuple(found)

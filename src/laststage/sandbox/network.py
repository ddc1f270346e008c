"""A network of the steps' own: it reaches what the host reaches, but not the host's loopback.

It is a network namespace with one interface, and slirp4netns carries what goes through that over
ordinary sockets of this process's user. It ends with this process, however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

from laststage.errors import MachineError
from laststage.sandbox import syscalls

# what slirp4netns gives the one interface, and where it answers for the host's name servers
NAME_SERVER = "10.0.2.3"
_INTERFACE = "tap0"
_DEVICE = "/dev/net/tun"


class PrivateNetworkError(MachineError):
    """A private network was asked for, and this machine cannot give it."""

    code = "LS605"


class PrivateNetwork:
    """The network that the steps of one process share, made when it is first asked for.

    *path* is where programs are looked for, *folder* a folder in memory for the namespace's file.
    """

    def __init__(self, path: str, folder: str) -> None:
        self._path = path
        self._file = f"{folder}/network"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: int | None = None

    def namespace(self) -> str:
        """Return the file of the namespace. Raise PrivateNetworkError, saying what to install."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return self._file

    def stop(self) -> None:
        """End the network, if there is one."""
        with self._lock:
            if self._ends is not None:
                os.close(self._ends)
                self._ends = None
            if self._process is not None:
                self._process.wait()
                self._process = None
                syscalls.umount(self._file)

    def _start(self) -> None:
        program = shutil.which("slirp4netns", path=self._path)
        if program is None:
            raise PrivateNetworkError(
                "a network of the steps' own needs slirp4netns, which this machine lacks",
                hint="apt-get install slirp4netns, or share the host's: --network=host",
            )
        if not os.access(_DEVICE, os.R_OK | os.W_OK):
            raise PrivateNetworkError(
                f"a network of the steps' own needs {_DEVICE}, which is not here or not for you",
                hint=f"modprobe tun; chmod 666 {_DEVICE}, as is usual; in a container, "
                f"--device {_DEVICE}; or share the host's network: --network=host",
            )
        if self._ends is not None:  # it died, or was ended
            os.close(self._ends)
            self._ends = None
            syscalls.umount(self._file)
        self._make_namespace()
        exit_read, self._ends = os.pipe()
        ready_read, ready_write = os.pipe()
        line = [
            program, "--configure", "--mtu=65520", "--disable-host-loopback",
            f"--exit-fd={exit_read}", f"--ready-fd={ready_write}",
            "--netns-type=path", self._file, _INTERFACE,
        ]  # fmt: skip
        with open(f"{self._file}.log", "wb") as log:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=(exit_read, ready_write),
                start_new_session=True,
            )
        os.close(exit_read)
        os.close(ready_write)
        try:
            if os.read(ready_read, 1) != b"1":
                with open(f"{self._file}.log", encoding="utf-8", errors="replace") as said:
                    text = said.read().strip()
                raise PrivateNetworkError(
                    f"slirp4netns: {text.splitlines()[-1] if text else 'ended at once'}",
                    hint="share the host's network: --network=host",
                )
        finally:
            os.close(ready_read)

    def _make_namespace(self) -> None:
        """Make the namespace; its file is seen in this process's mount namespace alone."""
        failed: list[OSError] = []

        def run() -> None:  # a thread has a network of its own, and ends with it
            try:
                syscalls.unshare(syscalls.CLONE_NEWNET)
                syscalls.mount("/proc/thread-self/ns/net", self._file, "", syscalls.MS_BIND)
            except OSError as error:
                failed.append(error)

        os.close(os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        thread = threading.Thread(target=run, name="network")
        thread.start()
        thread.join()
        if failed:
            raise PrivateNetworkError(
                f"cannot make a network namespace: {failed[0].strerror}",
                hint="share the host's network: --network=host",
            )

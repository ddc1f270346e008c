"""Fetching a repository with the machine's git."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from laststage.errors import MachineError, NetworkError
from laststage.model.repository import Repository

_COMMIT = re.compile(r"[0-9a-f]{40,64}")


class Git:
    """The git found along *path*; it has the user's environment, for keys and proxies."""

    def __init__(self, path: str, ca_bundle: str | None) -> None:
        program = shutil.which("git", path=path)
        if program is None:
            raise MachineError(
                "git is missing, which fetches repositories", hint="apt-get install git"
            )
        self._program = program
        self._env = {
            **os.environ,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": "git:http:https:ssh",
        }
        if ca_bundle:
            self._env.setdefault("GIT_SSL_CAINFO", ca_bundle)

    def commit_of(self, repository: Repository) -> str:
        """Return the commit that the repository's ref is now. Raise NetworkError."""
        if _COMMIT.fullmatch(repository.ref):
            return repository.ref
        names = self._run("ls-remote", "--", repository.url).splitlines()
        refs: dict[str, str] = {}
        for line in names:
            commit, tab, name = line.partition("\t")
            if tab:
                refs[name] = commit
        wanted = repository.ref or "HEAD"
        for name in (
            wanted, f"refs/tags/{wanted}^{{}}", f"refs/tags/{wanted}", f"refs/heads/{wanted}",
        ):  # fmt: skip
            if name in refs:
                return refs[name]
        if re.fullmatch(r"[0-9a-f]{7,39}", wanted):
            return wanted
        raise NetworkError(f"{repository.url} has no branch, tag or commit {wanted}")

    def check_out(self, repository: Repository, commit: str, folder: str) -> str:
        """Put the files of *commit* into the new *folder*; return the whole commit's name."""
        self._run("init", "--quiet", "--", folder)
        inside = ("-C", folder, "-c", "advice.detachedHead=false")
        try:
            source = repository.ref if not _COMMIT.fullmatch(commit) else commit
            self._run(*inside, "fetch", "--quiet", "--depth=1", "--", repository.url, source)
            self._run(*inside, "checkout", "--quiet", "FETCH_HEAD")
        except NetworkError:  # a server that gives no single commits, or an abbreviated one
            spec = "+refs/*:refs/remotes/origin/*"
            self._run(*inside, "fetch", "--quiet", "--tags", "--", repository.url, spec)
            self._run(*inside, "checkout", "--quiet", commit)
        if os.path.isfile(f"{folder}/.gitmodules"):
            self._run(
                *inside, "submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"
            )
        return self._run(*inside, "rev-parse", "HEAD").strip()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, *arguments],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it failed without a word"]
            raise NetworkError(f"git {arguments[0]}: {said[-1]}")
        return done.stdout

"""What COPY and ADD take, from where, and what they make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.instructions import Add, Copy
from laststage.graph.config import joined_path
from laststage.graph.operations import CopyOp, InlineFile, RemoteFile
from laststage.graph.state import StageState
from laststage.model.digest import Digest
from laststage.model.repository import Repository


def copy_operation(
    state: StageState, line: Copy | Add, *, is_stage: bool, context: str = ""
) -> CopyOp:
    """Return what *line* does in a stage that is in *state*.

    Its files are those of another stage if it *is_stage*, else of the context called *context*.
    Raise WordError for words that do not go together.
    """
    expand = state.scope.expand
    destination = expand(line.destination)
    parents = isinstance(line, Copy) and line.parents
    directory = parents or destination.endswith(("/", "/.")) or destination == "."
    path = joined_path(state.config.working_dir or "/", destination)
    words = tuple(expand(word) for word in line.sources)
    remote = tuple(word for word in words if isinstance(line, Add) and _is_remote(word))
    return CopyOp(
        origin="stage" if is_stage else "context",
        context=context,
        sources=tuple(word for word in words if word not in remote),
        destination=f"{path.rstrip('/')}/" if directory else path,
        inline=tuple(InlineFile(_file_name(d.name), state.scope.body(d)) for d in line.heredocs),
        remote=_remote_files(line, remote, expand) if isinstance(line, Add) else (),
        chown=expand(line.chown),
        chmod=expand(line.chmod),
        parents=parents,
        link=line.link,
        exclude=line.exclude,
        unpack=_unpack(line) if isinstance(line, Add) else "never",
    )


def _file_name(name: str) -> str:
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise WordError(f"no file can be called {name!r}", near=name)
    return name


def _is_remote(word: str) -> bool:
    return word.startswith(("http://", "https://")) or Repository.parse(word) is not None


def _remote_files(
    line: Add, words: tuple[str, ...], expand: Callable[[str], str]
) -> tuple[RemoteFile, ...]:
    checksum = expand(line.checksum)
    if checksum and (len(words) != 1 or len(line.sources) != 1):
        raise WordError("--checksum needs one remote source, and no other", near="--checksum")
    for word in words:
        if Repository.parse(word) is not None:
            continue
        if checksum:
            Digest.parse(checksum)
        if line.keep_git_dir is not None:
            raise WordError("--keep-git-dir is for git repositories", near="--keep-git-dir")
    return tuple(RemoteFile(word, checksum, bool(line.keep_git_dir)) for word in words)


def _unpack(line: Add) -> Literal["never", "archives", "always"]:
    if line.unpack is None:
        return "archives"
    return "always" if line.unpack else "never"

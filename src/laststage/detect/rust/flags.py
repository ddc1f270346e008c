"""What an app tells the Rust compiler in .cargo/config.toml."""

from __future__ import annotations

import posixpath
from itertools import zip_longest
from typing import Any

from laststage.detect.files import AppFolder


def own_flags(app: AppFolder, folder: str) -> tuple[str, ...]:
    """Return the flags that change what is compiled, in their order; not those of linkers and CPUs.

    A flag in the environment puts those of the file out of force, so that a plan has to repeat them.
    """
    path = app.first(
        posixpath.join(folder, ".cargo/config.toml"), posixpath.join(folder, ".cargo/config")
    )
    if not path:
        return ()
    document = app.toml(path)
    found: list[str] = []
    for name, target in document.get("target", {}).items():
        if "linux" in name or "cfg(all())" in name or "unix" in name:
            found += _words(target)
    return tuple(_compiling(found or _words(document.get("build", {}))))


def _words(table: dict[str, Any]) -> list[str]:
    flags = table.get("rustflags", ())
    return flags.split() if isinstance(flags, str) else [str(flag) for flag in flags]


def _compiling(words: list[str]) -> list[str]:
    """Return the ``--cfg`` flags of *words*, each as one word or two."""
    kept = []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word == "--cfg" and following:
            kept += [word, following]
        elif word.startswith("--cfg="):
            kept.append(word)
    return kept

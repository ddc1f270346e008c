"""What makes two builds the same command, and writing down what one depended on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from laststage import __version__
from laststage.store.receipts import receipt_path, receipt_text, signature

# Longer than the coarsest tick of a kernel's clock: what was touched this lately may change again
# without its times showing it.
_TICK_NS = 20_000_000
_VARIABLES = ("HOME", "SOURCE_DATE_EPOCH", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


def store_root(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the folder of the store, by flag, environment, or the user's data folder."""
    for position, word in enumerate(argv):
        if word == "--store" and position + 1 < len(argv):
            return os.path.abspath(argv[position + 1])
        if word.startswith("--store="):
            return os.path.abspath(word[len("--store=") :])
    if chosen := environ.get("LASTSTAGE_STORE"):
        return os.path.abspath(chosen)
    home = environ.get("HOME") or "/root"
    data = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    return f"{data}/laststage"


def receipt_key(argv: Sequence[str], environ: Mapping[str, str], folder: str) -> str:
    """Return what the result of a command depends on beside files, as one line."""
    names = sorted(n for n in environ if n in _VARIABLES or n.startswith("LASTSTAGE_"))
    return repr((__version__, folder, list(argv), [(name, environ[name]) for name in names]))


def write_receipt(
    root: str,
    key: str,
    *,
    index: Sequence[bytes],
    paths: Iterable[str],
    output: str,
    started_ns: int,
) -> None:
    """Keep the receipt of a build that began at *started_ns* and looked at *paths*.

    None is kept if one of them changed meanwhile, or so lately that a change could hide.
    """
    states: dict[str, str] = {}
    for path in paths:
        states[path] = state = signature(path, root)
        times = [int(number) for number in state.split(" ")[3:]]
        inside_store = path.startswith(f"{root}/")
        if not inside_store and any(time + _TICK_NS > started_ns for time in times):
            return
    text = receipt_text(key, [part.decode() for part in index], states, output)
    if text is None:
        return
    from laststage.store import atomic

    data = text.encode("utf-8", "surrogateescape")
    atomic.write(receipt_path(root, key), data, sync=False)

"""Fields and stanzas, the text format of Debian's control files."""

from __future__ import annotations


def parse_stanza(text: str) -> dict[str, str]:
    """Return the fields of one stanza; folded lines stay joined by newlines, comments are dropped.

    Names are as written; of a name that comes twice, the first counts. Lines that are no field are
    skipped: who needs a field says so when it is not there.
    """
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        if line[:1] in (" ", "\t"):
            lines.append(line.strip())
            continue
        name, colon, value = line.partition(":")
        if line.startswith("#"):
            continue
        lines = []
        if colon:
            lines.append(value.strip())
            fields.setdefault(name, lines)
    return {name: "\n".join(lines) for name, lines in fields.items()}


def split_stanzas(text: str) -> list[str]:
    """Return the stanzas of *text*, which empty lines separate."""
    stanzas: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            stanzas[-1].append(line)
        elif stanzas[-1]:
            stanzas.append([])
    return ["\n".join(lines) for lines in stanzas if lines]

"""The proof: what a build gave, and what it left behind, as a table and as JSON."""

from __future__ import annotations

import msgspec

from laststage.analysis.weighing import Weight
from laststage.api import BuildReport
from laststage.model.size import human_size


def proof_table(report: BuildReport) -> str:
    """Return the table that ends a build."""
    weight, single = report.weight, report.single
    name = ", ".join(report.references) or "image"
    rows: list[tuple[str, ...]]
    if single is None:
        rows = [("", "this image")]
        rows += [(label, shown) for label, shown, _ in _values(weight)]
    else:
        rows = [("", "single stage", "this image", "")]
        for (label, mine, own), (_, theirs, other) in zip(
            _values(weight), _values(single), strict=True
        ):
            rows.append((label, theirs, mine, _ratio(other, own)))
    lines = [*_aligned(rows), ""]
    if weight.elsewhere:
        there = _count(weight.elsewhere, "layer")
        lines.append(f"not fetched, and counted compressed only: {there} that no step looks into")
    lines.append(f"{name}  {report.image.manifest.digest}")
    for base in report.bases:
        without = f", without {', '.join(base.omit)}" if base.omit else ""
        lines.append(
            f"base {base.reference}: assembled from {_count(len(base.packages), 'package')} of "
            f"Debian{without}"
        )
    lines += [f"base {taken.reference}: {taken.digest}" for taken in report.taken]
    return "\n".join([*lines, *_how_to_run(report)]) + "\n"


def _how_to_run(report: BuildReport) -> list[str]:
    """Return the lines that say how an app is run, none for what was built from a Dockerfile."""
    if report.profile is None:
        return []
    if not report.references:
        return ["", "to run it, give it a name: -t NAME"]
    name = report.references[0].removesuffix(":latest")
    port = report.profile.port
    publish = f" -p {port}:{port}" if port else ""
    read_only = " --read-only --tmpfs /tmp"
    lines = ["", f"run it: laststage run{read_only} {name}"]
    if port:
        lines[1] += f"    # http://localhost:{port}{report.profile.health or '/'}"
    lines.append(
        f"    or: laststage save {name} -o - | docker load && "
        f"docker run --rm{read_only}{publish} {name}"
    )
    return lines


def report_json(report: BuildReport) -> str:
    """Return the result of a build as one JSON document."""
    document = {
        "references": report.references,
        "digest": report.image.manifest.digest,
        "config": report.image.config,
        "layers": report.image.layers,
        "weight": report.weight,
        "single_stage": report.single,
        "executed_steps": report.executed,
        "amended": report.amended,
        "bases": [
            {
                "reference": base.reference,
                "policy": "assemble",
                "omit": base.omit,
                "packages": base.packages,
                "releases": dict(base.releases),
            }
            for base in report.bases
        ]
        + [
            {"reference": taken.reference, "policy": "pull", "digest": taken.digest}
            for taken in report.taken
        ],
        "dockerfile": report.dockerfile,
    }
    encoded = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _values(weight: Weight) -> list[tuple[str, str, int]]:
    """Return each line of the table: what it is, how people read it, and the number behind it."""
    return [
        ("size unpacked", human_size(weight.size), weight.size),
        ("size compressed", human_size(weight.compressed), weight.compressed),
        ("files", f"{weight.files:,}", weight.files),
        ("executables", f"{weight.executables:,}", weight.executables),
        ("shells", _named(weight.shells), 0),
        ("package managers", _named(weight.managers), 0),
    ]


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "none"


def _ratio(theirs: int, mine: int) -> str:
    if not mine or theirs <= mine:
        return ""
    ratio = theirs / mine
    return f"{ratio:,.0f} times less" if ratio >= 10 else f"{ratio:.1f} times less"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, 3) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""The workloads by name, in the order in which they run."""

from workloads import calculator, copy, layers, parallel, runs, tiny
from workloads.workload import Workload

BASES = "base"
# the bases that laststage is timed on assembling, each as the Dockerfile that makes it
ASSEMBLED = {
    name: f"FROM {name}\n"
    for name in (
        "gcr.io/distroless/static-debian13:nonroot",
        "gcr.io/distroless/base-debian13:nonroot",
        "gcr.io/distroless/python3-debian13:nonroot",
        "golang:1.24-trixie",
    )
}
# The base that has a peer: what mmdebstrap makes of the packages of its minimal variant.
COMPARED = "gcr.io/distroless/base-debian13:nonroot"
WORKLOADS = {
    workload.name: workload
    for workload in (
        calculator.WORKLOAD,
        tiny.WORKLOAD,
        copy.WORKLOAD,
        parallel.WORKLOAD,
        runs.WORKLOAD,
        layers.WORKLOAD,
    )
}

__all__ = ["ASSEMBLED", "BASES", "COMPARED", "WORKLOADS", "Workload"]

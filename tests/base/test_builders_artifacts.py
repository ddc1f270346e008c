"""Artifacts: which one a registry offers, what it must be, and how it is laid down."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from laststage.base.artifacts import Artifact, fetch_artifacts, newest, unpack_artifact
from laststage.base.npm import NpmRegistry, admits
from laststage.base.rust import find_release, release_artifacts
from laststage.base.supplies import Supplies
from laststage.base.taking import taken
from laststage.base.toolchain import ArtifactRule
from laststage.errors import IntegrityError, NetworkError
from laststage.model.platform import Platform
from laststage.net.exchange import Answer, Request
from laststage.net.http import MissingError, Response
from laststage.oci.layerstore import Layers
from laststage.store.root import Store

PLATFORM = Platform.parse("linux/amd64")
ADDRESS = "https://registry.test/npm"


class Body:
    """An answer with a content."""

    modified = ""
    url = ""
    headers: Mapping[str, str] = {}

    def __init__(self, status: int, content: bytes) -> None:
        self.status = status
        self.size = len(content)
        self._left = io.BytesIO(content)

    def read(self, amount: int) -> bytes:
        return self._left.read(amount)


class Server:
    """Files by address; remembers what was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    @contextmanager
    def get(self, url: str, *, limit: int, offset: int = 0) -> Iterator[Response]:
        self.asked.append(url)
        if url not in self.files:
            raise MissingError(f"{url}: not there")
        yield Body(200, self.files[url])

    @contextmanager
    def send(self, request: Request, *, limit: int) -> Iterator[Answer]:
        self.asked.append(request.url)
        known = request.url in self.files
        yield Body(200 if known else 404, self.files.get(request.url, b""))


def archive(files: Mapping[str, bytes], *, form: str = "gz") -> bytes:
    """Return a tar archive, compressed, with programs where the name is in bin/."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{form}") as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mtime = len(content), 501, 499162500
            member.mode = 0o775 if "/bin/" in name else 0o664
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


TARBALL = archive(
    {"package/bin/tool": b"#!/bin/sh\n", "package/lib/a.js": b"1", "package/LICENSE": b"free"}
)


def integrity(data: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


def document(versions: Mapping[str, str], **dist: str) -> bytes:
    """Return npm's document about tool; *versions* with the Node that each is for."""
    return json.dumps(
        {
            "name": "tool",
            "versions": {
                version: {
                    "engines": {"node": node} if node else ["node"],
                    "dist": {
                        "tarball": f"{ADDRESS}/tool/-/tool-{version}.tgz",
                        "integrity": integrity(TARBALL),
                        **dist,
                    },
                }
                for version, node in versions.items()
            },
        }
    ).encode()


def supplies_of(store: Store, server: Server, *, offline: bool = False) -> Supplies:
    def none(*_: object) -> object:
        raise AssertionError("no packages are needed here")

    return Supplies(
        layers=Layers(store, opaque=lambda: "user.overlay.opaque"),
        archive=none,  # type: ignore[arg-type]
        mirrors=lambda: None,
        runner=none,  # type: ignore[arg-type]
        transport=lambda: server,
        exchange=lambda: server,
        registries={"npm": ADDRESS, "rust": "https://rust.test"},
        offline=offline,
    )


def offered(versions: Mapping[str, str], **dist: str) -> Server:
    files = {f"{ADDRESS}/tool/-/tool-{version}.tgz": TARBALL for version in versions}
    return Server({f"{ADDRESS}/tool": document(versions, **dist), **files})


def test_the_newest_version_of_the_line_that_runs(store: Store) -> None:
    server = offered(
        {"9.2.0": "", "10.9.0": ">=18", "10.10.0": ">=20", "10.11.0-rc.1": "", "11.0.0": ""}
    )
    registry = NpmRegistry(supplies_of(store, server), ADDRESS)
    found = {
        (wanted, node): registry.find("tool", wanted, node=node)
        for wanted, node in (("10", ""), ("10", "18.20.8"), ("", ""), ("12", ""))
    }
    versions = {key: artifact and artifact.version for key, artifact in found.items()}
    assert versions == {
        ("10", ""): "10.10.0", ("10", "18.20.8"): "10.9.0", ("", ""): "11.0.0", ("12", ""): None,
    }  # fmt: skip
    assert server.asked.count(f"{ADDRESS}/tool") == 1
    assert found["10", ""] == Artifact(
        name="tool",
        version="10.10.0",
        registry="npm",
        location="tool/-/tool-10.10.0.tgz",
        digest=f"sha512:{hashlib.sha512(TARBALL).hexdigest()}",
        size=len(TARBALL),
    )


def test_an_artifact_without_a_strong_digest_is_refused(store: Store) -> None:
    registry = NpmRegistry(
        supplies_of(store, offered({"1.0.0": ""}, integrity="sha1-AAAA")), ADDRESS
    )
    with pytest.raises(IntegrityError, match=r"SHA-512 digest of tool 1\.0\.0"):
        registry.find("tool", "1")


def test_a_registry_without_the_package(store: Store) -> None:
    with pytest.raises(NetworkError, match="status 404") as caught:
        NpmRegistry(supplies_of(store, Server({})), ADDRESS).find("tool", "1")
    assert "npm-registry" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("^18.17.0 || >=20.5.0", "18.20.8", True),
        ("^18.17.0 || >=20.5.0", "19.9.0", False),
        (">= 14 <17", "16.0.0", True),
        (">=14 <17", "17.0.0", False),
        ("20.x", "20.1.0", True),
        ("~22.4", "22.5.0", False),
        ("*", "22.5.0", True),
        ("", "22.5.0", True),
        ("lts/jod", "22.5.0", False),
    ],
)
def test_ranges(text: str, version: str, expected: bool) -> None:
    assert admits(text, version) is expected


def test_versions_are_ordered_by_number() -> None:
    assert list(newest(["1.9.0", "1.10.0", "2.0.0-rc.1", "1.10.0.1"])) == [
        "1.10.0.1",
        "1.10.0",
        "1.9.0",
    ]


def test_fetched_once_checked_and_there_when_offline(store: Store) -> None:
    server = offered({"1.0.0": ""})
    supplies = supplies_of(store, server)
    artifact = NpmRegistry(supplies, ADDRESS).find("tool", "1")
    assert artifact is not None
    with pytest.raises(NetworkError, match=r"offline, and not here: tool 1\.0\.0"):
        fetch_artifacts(supplies_of(store, server, offline=True), [artifact], PLATFORM)
    (path,) = fetch_artifacts(supplies, [artifact], PLATFORM)
    assert Path(path).read_bytes() == TARBALL
    asked = len(server.asked)
    assert fetch_artifacts(supplies_of(store, server, offline=True), [artifact], PLATFORM) == [path]
    assert len(server.asked) == asked


def test_other_bytes_are_not_kept(store: Store) -> None:
    server = offered({"1.0.0": ""})
    supplies = supplies_of(store, server)
    artifact = NpmRegistry(supplies, ADDRESS).find("tool", "1")
    assert artifact is not None
    server.files[f"{ADDRESS}/tool/-/tool-1.0.0.tgz"] = TARBALL[:-1] + b"!"
    with pytest.raises(IntegrityError, match="the content is not sha512:"):
        fetch_artifacts(supplies, [artifact], PLATFORM)
    assert os.listdir(store.path("packages")) == []


def test_laid_down_with_its_links(store: Store, tmp_path: Path, dump_tree: object) -> None:
    server = offered({"1.0.0": ""})
    supplies = supplies_of(store, server)
    artifact = NpmRegistry(supplies, ADDRESS).find("tool", "1")
    assert artifact is not None
    (path,) = fetch_artifacts(supplies, [artifact], PLATFORM)
    links = {"usr/bin/a": "/opt/tool-{version}/lib/a.js"}
    rule = ArtifactRule(package="tool", into="opt/tool-{version}", links=links)
    (tmp_path / "root").mkdir()
    unpack_artifact(path, rule, artifact, str(tmp_path / "root"))
    found = dump_tree(str(tmp_path / "root"))  # type: ignore[operator]
    assert {name: text for name, text in found.items() if not text.startswith("dir ")} == {
        "opt/tool-1.0.0/LICENSE": "file 0644 free",
        "opt/tool-1.0.0/bin/tool": "file 0755 #!/bin/sh",
        "opt/tool-1.0.0/lib/a.js": "file 0755 1",
        "usr/bin/a": "link /opt/tool-1.0.0/lib/a.js",
    }
    assert (tmp_path / "root/opt/tool-1.0.0/LICENSE").stat().st_uid == 0 or os.geteuid() != 0


def test_only_what_is_wanted_is_taken(store: Store) -> None:
    server = offered({"1.0.0": ""})
    supplies = supplies_of(store, server)
    artifact = NpmRegistry(supplies, ADDRESS).find("tool", "1")
    assert artifact is not None
    rule = ArtifactRule(package="tool", into="tool", take=("bin/tool", "LICENSE"))
    pieces = taken(supplies, rule, artifact, PLATFORM)
    assert [(entry.path, entry.mode, entry.mtime) for entry, _ in pieces] == [
        ("tool/bin/tool", 0o755, 499162500), ("tool/LICENSE", 0o644, 499162500),
    ]  # fmt: skip
    with pytest.raises(IntegrityError, match="has no file bin/none"):
        taken(
            supplies, ArtifactRule(package="tool", into="x", take=("bin/none",)), artifact, PLATFORM
        )


def rust_server(version: str = "1.90.0 (1159e78c4 2025-09-14)") -> Server:
    """Return a mirror of Rust's releases whose manifest names the original's address."""
    content = archive(
        {"rustc-1.90.0/rustc/bin/rustc": b"#!", "rustc-1.90.0/rustc/manifest.in": b"x"}, form="xz"
    )
    text = (
        f'manifest-version = "2"\n[pkg.rustc]\nversion = "{version}"\n'
        "[pkg.rustc.target.x86_64-unknown-linux-gnu]\navailable = true\n"
        'xz_url = "https://original.test/dist/2025-09-18/rustc.tar.xz"\n'
        f'xz_hash = "{hashlib.sha256(content).hexdigest()}"\n'
    ).encode()
    return Server(
        {
            "https://rust.test/dist/channel-rust-1.90.toml": text,
            "https://rust.test/dist/channel-rust-1.90.toml.sha256": hashlib.sha256(text)
            .hexdigest()
            .encode(),
            "https://rust.test/dist/2025-09-18/rustc.tar.xz": content,
        }
    )


def test_a_release_of_rust(store: Store, tmp_path: Path) -> None:
    server = rust_server()
    supplies = supplies_of(store, server)
    release = find_release(supplies, "https://rust.test", "1.90")
    assert release is not None
    assert release.version == "1.90.0"
    assert release_artifacts(supplies, "https://rust.test", release, ["cargo:mips"]) is None
    found = release_artifacts(
        supplies, "https://rust.test", release, ["rustc:x86_64-unknown-linux-gnu"]
    )
    assert found is not None
    assert found[0].location == "dist/2025-09-18/rustc.tar.xz"
    (path,) = fetch_artifacts(supplies, found, PLATFORM)
    unpack_artifact(path, ArtifactRule(package="rustc", into="usr/local"), found[0], str(tmp_path))
    files = [f"{folder}/{name}" for folder, _, names in os.walk(tmp_path / "usr") for name in names]
    assert files == [str(tmp_path / "usr/local/bin/rustc")]


def test_a_release_of_rust_that_is_not_there_or_not_itself(store: Store) -> None:
    server = rust_server()
    supplies = supplies_of(store, server)
    assert find_release(supplies, "https://rust.test", "1.91") is None
    server.files["https://rust.test/dist/channel-rust-1.90.toml"] += b"\n"
    with pytest.raises(IntegrityError, match="is not what its digest says"):
        find_release(supplies, "https://rust.test", "1.90")

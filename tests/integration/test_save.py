"""Images that leave the store are what other tools read."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_a_docker_archive(laststage, calculator, skopeo, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    laststage("save", "-o", file, "calculator")
    seen = json.loads(
        skopeo("inspect", f"docker-archive:{file}:docker.io/library/calculator:latest")
    )
    stored = laststage.image("calculator:latest")
    assert seen["Layers"] == stored.config["rootfs"]["diff_ids"]
    assert seen["Architecture"] == stored.config["architecture"]
    skopeo("copy", f"docker-archive:{file}", f"dir:{tmp_path / 'copied'}")

    loaded = type(stored).of_docker_archive(file)
    assert loaded.tars == stored.tars
    assert loaded.config == stored.config


def test_an_oci_archive(laststage, calculator, skopeo, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    laststage("save", "--format", "oci", "-o", file, "calculator")
    seen = json.loads(skopeo("inspect", f"oci-archive:{file}:calculator:latest"))
    stored = laststage.image("calculator:latest")
    assert seen["Digest"] == calculator["digest"]
    assert seen["Layers"] == [layer["digest"] for layer in stored.manifest["layers"]]
    skopeo("copy", f"oci-archive:{file}:calculator:latest", f"dir:{tmp_path / 'copied'}")

    with tarfile.open(file) as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    read = type(stored).of_layout(tmp_path / "layout", "calculator:latest")
    assert (read.digest, read.config, read.files) == (stored.digest, stored.config, stored.files)


def test_the_store_is_an_oci_layout(laststage, web, skopeo) -> None:
    seen = json.loads(skopeo("inspect", f"oci:{laststage.store}:web:latest"))
    assert seen["Digest"] == web["digest"]
    config = json.loads(skopeo("inspect", "--config", f"oci:{laststage.store}:web:latest"))
    assert config["config"]["Entrypoint"] == ["/web"]


@pytest.mark.parametrize(("form", "prefix"), [("docker", "docker.io/library/"), ("oci", "")])
def test_several_images_in_one_file(
    laststage, calculator, web, skopeo, examples: Path, tmp_path: Path, form: str, prefix: str
) -> None:
    laststage("build", "-t", "twin", examples / "go-calculator")
    names = ("calculator", "twin", "web")
    file = tmp_path / "images.tar"
    laststage("save", "--format", form, "-o", file, *names)
    with tarfile.open(file) as archive:
        members = archive.getnames()
    assert len(members) == len(set(members))  # what images share is there once
    for name in names:
        stored = laststage.image(f"{name}:latest").config
        shown = skopeo("inspect", "--config", f"{form}-archive:{file}:{prefix}{name}:latest")
        assert json.loads(shown)["rootfs"]["diff_ids"] == stored["rootfs"]["diff_ids"]


def test_saving_twice_gives_the_same_bytes(laststage, calculator, tmp_path: Path) -> None:
    for form in ("docker", "oci"):
        first, second = tmp_path / f"{form}.1", tmp_path / f"{form}.2"
        laststage("save", "--format", form, "-o", first, "calculator")
        laststage("save", "--format", form, "-o", second, "calculator")
        assert first.read_bytes() == second.read_bytes()


def test_an_image_that_is_not_there(laststage, calculator, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    done = laststage("save", "-o", file, "calculator", "nothing", expect=2)
    assert "no image named nothing:latest in the store" in done.stderr
    assert list(tmp_path.iterdir()) == []

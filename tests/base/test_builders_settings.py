"""Where registries are: from the environment, the settings file, or npm's own."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from laststage.cli.settings import read_settings
from laststage.errors import UsageError

OPTIONS = Namespace(store=None, mirror=None, offline=False, allow_stale=False)


def registries(folder: Path, **environ: str) -> dict[str, str]:
    return read_settings(OPTIONS, {"HOME": str(folder), **environ}, str(folder)).registries


def test_nothing_is_set(tmp_path: Path) -> None:
    assert registries(tmp_path) == {}


def test_each_place_in_its_turn(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("fund=false\nregistry = https://rc.test/npm/\n")
    assert registries(tmp_path) == {"npm": "https://rc.test/npm"}
    (tmp_path / "laststage.toml").write_text('npm-registry = "https://file.test/"\n')
    assert registries(tmp_path) == {"npm": "https://file.test"}
    found = registries(
        tmp_path, NPM_CONFIG_REGISTRY="https://npm.test", RUSTUP_DIST_SERVER="https://rust.test/"
    )
    assert found == {"npm": "https://npm.test", "rust": "https://rust.test"}


def test_a_variable_in_npms_file_is_not_an_address(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("registry=${REGISTRY}\n")
    assert registries(tmp_path) == {}


def test_what_is_no_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not the address of a registry"):
        registries(tmp_path, npm_config_registry="registry.test")

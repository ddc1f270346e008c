from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.analysis.elf import Elf
from laststage.analysis.linker import Linker, Loaded, cache_of
from laststage.analysis.machines import machine_of
from laststage.analysis.tree import Tree

AMD64 = machine_of("amd64")
LIB = "usr/lib/x86_64-linux-gnu"
MakeTree = Callable[..., Tree]


def needing(path: str, loader: Loaded | None = None, **fields: Any) -> Loaded:
    return Loaded(path, Elf(64, "little", 62, "library", **fields), loader)


def found(tree: Tree, loader: Loaded, env: Mapping[str, str] | None = None) -> str:
    """Return where the linker finds x.so, "" for nowhere."""
    result = Linker(tree, AMD64, env or {}).find("x.so", loader)
    return result[0].real if result else ""


@pytest.fixture
def everywhere(tree: MakeTree, gcc: Any) -> Callable[..., Tree]:
    """Return a function that makes an image with the library x.so in some folders."""

    def make(*folders: str, **more: bytes) -> Tree:
        return tree({f"{folder}/x.so": gcc.library("x.so") for folder in folders} | more)

    return make


def test_the_order_of_places(everywhere: Callable[..., Tree]) -> None:
    loader = needing("app/a.so", rpath=("$ORIGIN/r",))
    later = needing("app/a.so", runpath=("/run",))
    folders = ["app/r", "env", "run", LIB, "lib", "usr/lib"]
    env = {"LD_LIBRARY_PATH": "relative:/none;/env"}
    at = lambda *left: everywhere("other", *left)  # noqa: E731
    assert found(at(*folders), loader, env) == "app/r/x.so"
    assert found(at(*folders), later, env) == "env/x.so"
    assert found(at(*folders), later) == "run/x.so"
    assert found(at(*folders[1:]), loader) == f"{LIB}/x.so"
    assert found(at("lib", "usr/lib"), loader) == "lib/x.so"
    assert found(at("usr/lib"), loader) == "usr/lib/x.so"
    assert found(at(), loader, env) == ""


def test_paths_of_those_that_loaded_it(everywhere: Callable[..., Tree]) -> None:
    tree = everywhere("app/lib", **{"app/bin/run": b""})
    program = needing("app/bin/run", rpath=("$ORIGIN/../lib",))
    between = needing("app/between.so", program)
    assert found(tree, needing("usr/lib/a.so", between)) == "app/lib/x.so"
    # a RUNPATH is for what its owner needs itself, and switches RPATHs off for it
    assert found(tree, needing("usr/lib/a.so", between, runpath=("/none",))) == ""
    program = needing("app/bin/run", runpath=("$ORIGIN/../lib",))
    assert found(tree, program) == "app/lib/x.so"
    assert found(tree, needing("usr/lib/a.so", program)) == ""
    both = needing("app/bin/run", rpath=("/app/lib",), runpath=("/none",))
    assert found(tree, needing("usr/lib/a.so", both)) == ""


@pytest.mark.parametrize(
    "path",
    ["$ORIGIN/lib", "${ORIGIN}/lib", "/app/$LIB", "/app/${LIB}", "/app/$PLATFORM", "/app/lib/"],
)
def test_tokens_of_paths(everywhere: Callable[..., Tree], path: str) -> None:
    folder = {"/app/$PLATFORM": "app/x86_64"}.get(path, "app/lib")
    folder = "app/lib/x86_64-linux-gnu" if "LIB" in path else folder
    loader = needing("app/run", runpath=(path,))
    assert found(everywhere(folder), loader) == f"{folder}/x.so"


def test_files_that_do_not_fit_are_passed_over(tree: MakeTree, gcc: Any) -> None:
    good = gcc.library("x.so")
    arm = bytearray(good)
    arm[18] = 183
    made = tree(
        {
            "one/x.so": bytes(arm),
            "two/x.so": b"text",
            "three/x.so": "-> nothing",
            "four/x.so/dir": b"",
            "five/x.so": "-> ../six/y.so",
            "six/y.so": good,
        }
    )
    loader = needing("a", runpath=("/one", "/two", "/three", "/four", "/five"))
    assert found(made, loader) == "six/y.so"


def test_a_name_with_a_slash_is_a_path(tree: MakeTree, gcc: Any) -> None:
    linker = Linker(tree({"opt/x.so": gcc.library("")}), AMD64, {})
    assert linker.find("/opt/x.so", needing("a"))
    assert linker.find("$ORIGIN/x.so", needing("opt/a"))
    assert not linker.find("/usr/x.so", needing("opt/a", runpath=("/opt",)))


def test_what_has_no_default_folders(everywhere: Callable[..., Tree]) -> None:
    assert found(everywhere(LIB), needing("a", is_alone=True)) == ""
    assert found(everywhere(LIB), needing("a")) == f"{LIB}/x.so"


def test_another_layout_than_debian_s(tree: MakeTree, gcc: Any) -> None:
    library = gcc.library("x.so")
    files = {"usr/lib64/libc.so.6": library, "usr/lib64/x.so": library, "lib64": "-> usr/lib64"}
    assert found(tree(files), needing("a")) == "usr/lib64/x.so"


@pytest.fixture
def cache(tmp_path: Path, gcc: Any) -> bytes:
    """Return a cache that the machine's ldconfig wrote, of one library in /opt/own."""
    own = tmp_path / "root/opt/own"
    own.mkdir(parents=True)
    (own / "libx.so").write_bytes(gcc.library("libx.so"))
    (tmp_path / "conf").write_text(f"{own}\n")
    command = ["/sbin/ldconfig", "-X", "-f", f"{tmp_path}/conf", "-C", f"{tmp_path}/cache"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs ldconfig")
    data = (tmp_path / "cache").read_bytes()
    # the same, as it would read inside of the image
    outside = f"{own}/libx.so".encode()
    assert outside in data
    # as long as before, and with the same end: that is where the library's name is read
    inside = b"/opt/own".ljust(len(outside) - len("/libx.so"), b"/") + b"/libx.so"
    return data.replace(outside, inside)


def test_the_cache(tree: MakeTree, gcc: Any, cache: bytes) -> None:
    assert [os.path.normpath(path) for path in cache_of(cache)["libx.so"]] == ["/opt/own/libx.so"]
    files = {"opt/own/libx.so": gcc.library("libx.so")}
    cached, configured = {"etc/ld.so.cache": cache}, {"etc/ld.so.conf": b"/opt/own\n"}

    def finds(more: dict[str, bytes], **how: bool) -> bool:
        linker = Linker(tree(files | more), AMD64, {}, **how)
        return linker.find("libx.so", needing("a")) is not None

    assert finds(cached)
    assert not finds({})
    # the linker reads no ld.so.conf, which only a later ldconfig would
    assert not finds(configured)
    assert finds(configured, would_be=True)


def test_every_library_of_this_machine_s_cache() -> None:
    try:
        listed = subprocess.run(
            ["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True
        )
        data = Path("/etc/ld.so.cache").read_bytes()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs ldconfig and its cache")
    theirs: dict[str, set[str]] = {}
    for line in listed.stdout.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if arrow and "hwcap" not in name:
            theirs.setdefault(name.partition(" (")[0], set()).add(path)
    assert {name: set(paths) for name, paths in cache_of(data).items()} == theirs


def test_a_configuration_that_includes_itself(tree: MakeTree) -> None:
    made = tree({"etc/ld.so.conf": b"include /etc/*.conf\n/opt\n"})
    assert not Linker(made, AMD64, {}, would_be=True).find("x.so", needing("a"))


@given(st.data())
def test_a_damaged_cache_is_none(data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=200))
    whole = b"glibc-ld.so.cache1.1" + body
    for path_list in cache_of(whole).values():
        assert all(path_list)
    assert cache_of(body.replace(b"glibc", b"")) == {}

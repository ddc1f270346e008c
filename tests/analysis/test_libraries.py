from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from laststage.analysis.findings import Findings, Foreign, Missing, Owner, Unresolved
from laststage.analysis.libraries import examine
from laststage.analysis.tree import Tree
from laststage.errors import UsageError
from laststage.oci.layerstore import Layers

LIB = "usr/lib/x86_64-linux-gnu"
LINKER = f"{LIB}/ld-linux-x86-64.so.2"
OLD = {"puts": "GLIBC_2.2.5", "gets": "GLIBC_2.36"}
NEW = {**OLD, "newer": "GLIBC_2.38"}
STATUS = b"""Package: libpq5
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: postgresql-17 (17.1-1)
Version: 17.2-1
Description: a library
 Package: not-this

Package: libkrb5-3
Status: install ok installed
Architecture: amd64
Version: 1.21-1
"""


@pytest.fixture
def base(gcc: Any) -> dict[str, bytes | str]:
    """Return a base with glibc's names, as Debian lays them out."""
    return {
        "lib": "-> usr/lib",
        "lib64": "-> usr/lib64",
        "usr/lib64/ld-linux-x86-64.so.2": "-> ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        LINKER: gcc.library("ld-linux-x86-64.so.2"),
        f"{LIB}/libc.so.6": gcc.library("libc.so.6", ["ld-linux-x86-64.so.2"], versions=OLD),
    }


@pytest.fixture
def stage(base: dict[str, bytes | str], gcc: Any) -> dict[str, bytes | str]:
    """Return a build stage: the base, and libpq that needs libkrb5, with dpkg's database."""
    return {
        **base,
        f"{LIB}/libpq.so.5": "-> libpq.so.5.17",
        f"{LIB}/libpq.so.5.17": gcc.library("libpq.so.5", ["libkrb5.so.3", "libc.so.6"]),
        f"{LIB}/libkrb5.so.3": "-> /etc/alternatives/krb5",
        "etc/alternatives/krb5": "-> /lib/x86_64-linux-gnu/libkrb5.so.3.3",
        f"{LIB}/libkrb5.so.3.3": gcc.library("libkrb5.so.3", ["libc.so.6"]),
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/info/libpq5:amd64.list": f"/.\n/{LIB}/libpq.so.5.17\n".encode(),
        "var/lib/dpkg/info/libkrb5-3.list": b"/lib/x86_64-linux-gnu/libkrb5.so.3.3\n",
        "var/lib/dpkg/info/libpq5:amd64.md5sums": f"0  {LIB}/libkrb5.so.3.3\n".encode(),
    }


Look = Callable[..., Findings]


@pytest.fixture
def look(
    layers: Layers,
    add_folder: Callable[[Any], str],
    base: dict[str, bytes | str],
    stage: dict[str, bytes | str],
) -> Look:
    """Return a function that examines an app on the base, built in the stage."""

    def look(app: Any, *, on: Any = None, built: Any = None, **options: Any) -> Findings:
        final = Tree(layers, [add_folder(base if on is None else on), add_folder(app)])
        build = Tree(layers, [add_folder(stage if built is None else built)])
        return examine(final, build, above=1, architecture="amd64", **options)

    return look


def test_nothing_is_missing(look: Look, gcc: Any) -> None:
    findings = look({"app/run": gcc.program(["libc.so.6"]), "app/static": gcc.static(), "t": b""})
    assert findings == Findings()
    assert findings.is_complete


def test_what_is_missing_is_found_with_all_that_it_needs(look: Look, gcc: Any) -> None:
    findings = look(
        {"app/x.so": gcc.library("", ["libpq.so.5"]), "app/run": gcc.program(["libpq.so.5"])}
    )
    assert findings == Findings(
        missing=(
            Missing(
                soname="libkrb5.so.3",
                path=f"{LIB}/libkrb5.so.3",
                links=(f"{LIB}/libkrb5.so.3", "etc/alternatives/krb5"),
                real=f"{LIB}/libkrb5.so.3.3",
                target=f"{LIB}/libkrb5.so.3",
                chain=("app/run", f"{LIB}/libpq.so.5"),
                needed_by=(f"{LIB}/libpq.so.5",),
                owner=Owner("libkrb5-3", "1.21-1", "libkrb5-3"),
            ),
            Missing(
                soname="libpq.so.5",
                path=f"{LIB}/libpq.so.5",
                links=(f"{LIB}/libpq.so.5",),
                real=f"{LIB}/libpq.so.5.17",
                target=f"{LIB}/libpq.so.5",
                chain=("app/run",),
                needed_by=("app/run", "app/x.so"),
                owner=Owner("libpq5", "17.2-1", "postgresql-17"),
            ),
        )
    )
    assert not findings.is_complete


def test_what_was_copied_is_no_more_missing(
    look: Look, gcc: Any, stage: dict[str, bytes | str]
) -> None:
    app = {"app/x.so": gcc.library("", ["libpq.so.5"])}
    for missing in look(app).missing:
        app[missing.target] = stage[missing.real]
    assert look(app) == Findings()


def test_the_base_is_not_examined_by_itself(look: Look, gcc: Any, base: Any) -> None:
    on = {**base, "usr/bin/tool": gcc.program(["libnone.so"])}
    assert look({"app/run": gcc.program(["libc.so.6"])}, on=on) == Findings()
    assert [one.soname for one in look({}, on=on, program="/usr/bin/tool").unresolved] == [
        "libnone.so"
    ]


def test_a_dynamic_program_on_static(look: Look, gcc: Any) -> None:
    findings = look({"app/run": gcc.program(["libc.so.6"])}, on={"etc/passwd": b""})
    (linker,) = findings.interpreter
    assert (linker.path, linker.needed_by, linker.real) == (
        "lib64/ld-linux-x86-64.so.2",
        ("app/run",),
        LINKER,
    )
    assert [one.soname for one in findings.missing] == ["libc.so.6"]
    assert not findings.is_complete


def test_a_library_that_nothing_has(look: Look, gcc: Any) -> None:
    app = {"x.so": gcc.library("x.so", ["libmagic.so.1"]), "y": gcc.program(["libown.so"])}
    assert look(app).unresolved == (
        Unresolved("libmagic.so.1", ("x.so",), ("x.so",), "libmagic1t64"),
        Unresolved("libown.so", ("y",), ("y",)),
    )


def test_versions_that_the_image_does_not_have(look: Look, gcc: Any) -> None:
    run = gcc.program(["libc.so.6"], wants={"libc.so.6": NEW})
    (old,) = look({"run": run}).outdated
    assert (old.soname, old.library, old.path) == ("libc.so.6", f"{LIB}/libc.so.6", "run")
    assert (old.needs, old.offers) == ("GLIBC_2.38", "GLIBC_2.36")
    assert look({"run": gcc.program(["libc.so.6"], wants={"libc.so.6": OLD})}) == Findings()


def test_versions_that_a_copied_library_would_lack(look: Look, gcc: Any, stage: Any) -> None:
    pq = gcc.library("libpq.so.5", ["libc.so.6"], wants={"libc.so.6": NEW})
    built = {**stage, f"{LIB}/libpq.so.5.17": pq}
    findings = look({"x.so": gcc.library("x.so", ["libpq.so.5"])}, built=built)
    assert [(one.path, one.needs) for one in findings.outdated] == [
        (f"{LIB}/libpq.so.5", "GLIBC_2.38")
    ]


def test_vendored_libraries_are_not_missing(look: Look, gcc: Any) -> None:
    # the second of them has no path of its own: the first one's, or whoever loaded it, leads to it
    site = "app/site"
    vendored = {
        f"{site}/np/core.so": gcc.library("", ["libblas-1.so"], "-Wl,-rpath,$ORIGIN/../np.libs"),
        f"{site}/np.libs/libblas-1.so": gcc.library("libblas-1.so", ["libf-2.so"]),
        f"{site}/np.libs/libf-2.so": gcc.library("libf-2.so", ["libc.so.6"]),
    }
    findings = look(vendored)
    assert not findings.missing
    assert not findings.unresolved
    assert [(one.soname, one.path) for one in findings.elsewhere] == [
        ("libf-2.so", f"{site}/np.libs/libf-2.so")
    ]
    old = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../np.libs"
    vendored[f"{site}/np/core.so"] = gcc.library("", ["libblas-1.so"], old)
    assert look(vendored) == Findings()


def test_what_its_process_has_loaded_is_not_missing(look: Look, gcc: Any, base: Any) -> None:
    app = {
        "py/bin/python": gcc.program(["libpython.so"], "-Wl,-rpath,$ORIGIN/../lib"),
        "py/lib/libpython.so": gcc.library("libpython.so", ["libc.so.6"]),
        "py/lib/x.so": gcc.library("", ["libpython.so"]),
    }
    assert look(app, program="/py/bin/python") == Findings()
    assert [one.soname for one in look(app).elsewhere] == ["libpython.so"]
    # a program that starts has nobody who loaded anything before
    app["tool"] = gcc.program(["libpython.so"])
    assert look(app, program="py/bin/python").unresolved == (
        Unresolved("libpython.so", ("tool",), ("tool",), present="py/lib/libpython.so"),
    )


def test_foreign_files_can_be_left_out(look: Look, gcc: Any, tmp_path: Path) -> None:
    musl = gcc.library("", ["libc.musl-x86_64.so.1"])
    folder = "node_modules/sharp-linuxmusl-x64/lib"
    android = gcc.library("", ["liblog.so", "libc.so"])
    glibc = gcc.library("x.so", ["libc.so.6"], wants={"libc.so.6": OLD})
    arm = bytearray(gcc.library("arm.so", ["libnone.so"]))
    arm[18] = 183
    bsd = bytearray(gcc.library("bsd.so", ["libc.so.7"]))
    bsd[7] = 9
    findings = look(
        {
            "a/addon.node": musl,
            f"{folder}/libx.so": gcc.library("libx.so", ["libnone.so"]),
            "b/android.node": android,
            "b/arm.node": bytes(arm),
            "b/bsd.node": bytes(bsd),
            "musl-tools/glibc.so": glibc,
            "musl/static": gcc.static(),
            "alpine": gcc.program(["libc.so"], interpreter="/lib/ld-musl-x86_64.so.1"),
        }
    )
    assert findings == Findings(
        foreign=(
            Foreign("a/addon.node", "for musl"),
            Foreign("alpine", "for musl"),
            Foreign("b/android.node", "for Android"),
            Foreign("b/arm.node", "for aarch64"),
            Foreign("b/bsd.node", "for another system than Linux"),
            Foreign(f"{folder}/libx.so", "for musl"),
        )
    )


def test_a_program_for_musl_on_glibc_cannot_start(look: Look, gcc: Any) -> None:
    app = {"run": gcc.program([], interpreter="/lib/ld-musl-x86_64.so.1")}
    assert [one.path for one in look(app, program="run").interpreter] == ["lib/ld-musl-x86_64.so.1"]


def test_an_image_of_musl(look: Look, gcc: Any) -> None:
    linker = "lib/ld-musl-x86_64.so.1"
    alpine = {
        linker: gcc.library("libc.so"),
        "lib/libc.musl-x86_64.so.1": "-> ld-musl-x86_64.so.1",
        "usr/local/lib/libown.so": gcc.library("libown.so", ["libc.musl-x86_64.so.1"]),
    }
    app = {
        "run": gcc.program(
            ["libown.so", "libpq.so.5", "libc.musl-x86_64.so.1"], interpreter=f"/{linker}"
        ),
        "other.node": gcc.library("", ["libc.so.6"], wants={"libc.so.6": OLD}),
    }
    built = {**alpine, "usr/lib/libpq.so.5": gcc.library("libpq.so.5", ["libc.musl-x86_64.so.1"])}
    findings = look(app, on=alpine, built=built)
    assert findings.foreign == (Foreign("other.node", "for glibc"),)
    (missing,) = findings.missing
    assert (missing.soname, missing.target) == ("libpq.so.5", "usr/lib/libpq.so.5")
    assert not findings.unresolved
    assert not findings.interpreter


@pytest.mark.parametrize(
    "module",
    [
        "usr/lib/python3.13/lib-dynload/_tkinter.cpython-313-x86_64-linux-gnu.so",
        "opt/jre/lib/libawt_xawt.so",
    ],
)
def test_modules_that_no_server_needs(look: Look, gcc: Any, module: str) -> None:
    app = {module: gcc.library("", ["libtk8.6.so", "libpq.so.5"])}
    findings = look(app)
    assert [one.soname for one in findings.optional] == [
        "libkrb5.so.3",
        "libpq.so.5",
        "libtk8.6.so",
    ]
    assert findings.is_complete
    findings = look({**app, "x.so": gcc.library("", ["libpq.so.5"])})
    assert [one.soname for one in findings.optional] == ["libtk8.6.so"]
    assert [one.chain[0] for one in findings.missing] == ["x.so", "x.so"]


def test_libraries_that_are_loaded_by_name(look: Look) -> None:
    findings = look({}, loaded={"pypi psycopg": ("libpq.so.5",)})
    assert [(one.soname, one.chain) for one in findings.missing] == [
        ("libkrb5.so.3", ("pypi psycopg", f"{LIB}/libpq.so.5")),
        ("libpq.so.5", ("pypi psycopg",)),
    ]


def test_preloaded_libraries(look: Look) -> None:
    env = {"LD_PRELOAD": f"libpq.so.5 /{LIB}/libkrb5.so.3:/{LIB}/libc.so.6"}
    assert [(one.soname, one.target) for one in look({}, env=env).missing] == [
        (f"/{LIB}/libkrb5.so.3", f"{LIB}/libkrb5.so.3"),  # and so it is there when libpq asks
        ("libpq.so.5", f"{LIB}/libpq.so.5"),
    ]


def test_libraries_of_drivers_come_from_the_host(look: Look, gcc: Any) -> None:
    findings = look({"x.so": gcc.library("", ["libcuda.so.1", "libnvidia-ml.so.1"])})
    assert findings == Findings(from_host=("libcuda.so.1", "libnvidia-ml.so.1"))


def test_damaged_files_are_told(look: Look, gcc: Any) -> None:
    cut = gcc.library("x.so", ["libpq.so.5"])[:100]
    assert look({"x.so": cut, "text": b"\x7fELF"}) == Findings(damaged=("text", "x.so"))


@pytest.mark.parametrize("kind", ["env", "rpath", "runpath"])
def test_a_library_goes_where_it_will_be_found(look: Look, gcc: Any, stage: Any, kind: str) -> None:
    # in the build stage ld.so.conf leads to it; the image has no cache, so there it must not stay
    built = {
        **stage,
        "opt/lib/libown.so.1": gcc.library("libown.so.1"),
        "etc/ld.so.conf": b"include ld.so.conf.d/*.conf  # more\n",
        "etc/ld.so.conf.d/own.conf": b"# own\n/opt/lib\n",
        "etc/ld.so.conf.d/other": b"/nowhere\n",
    }
    app = {"x.so": gcc.library("", ["libown.so.1"])}
    (missing,) = look(app, built=built).missing
    assert (missing.path, missing.target) == ("opt/lib/libown.so.1", f"{LIB}/libown.so.1")
    env = {"LD_LIBRARY_PATH": "/opt/lib:"} if kind == "env" else {}
    tags = "disable" if kind == "rpath" else "enable"
    if kind != "env":
        app = {"x.so": gcc.library("", ["libown.so.1"], f"-Wl,--{tags}-new-dtags,-rpath,/opt/lib")}
    (missing,) = look(app, built=built, env=env).missing
    assert (missing.path, missing.target) == ("opt/lib/libown.so.1", "opt/lib/libown.so.1")


def test_an_unknown_architecture(look: Look, layers: Layers) -> None:
    with pytest.raises(UsageError, match="vax"):
        examine(Tree(layers, []), Tree(layers, []), above=0, architecture="vax")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to enter an image")
@pytest.mark.parametrize("have", ["none", "some", "all"])
def test_the_linker_itself_says_the_same(
    look: Look, gcc: Any, tmp_path: Path, base: Any, have: str
) -> None:
    """Compare with what this machine's own linker says in the same image."""
    host = Path("/") / LINKER
    if not host.exists():
        pytest.skip("needs glibc's linker where Debian has it")
    on: dict[str, bytes | str] = {
        "lib": "-> usr/lib",
        "lib64": "-> usr/lib64",
        "usr/lib64/ld-linux-x86-64.so.2": f"-> /{LINKER}",
        LINKER: host.read_bytes(),
        f"{LIB}/libc.so.6": (Path("/") / LIB / "libc.so.6").read_bytes(),
    }
    origin = "-Wl,-rpath,$ORIGIN/lib"
    old = f"-Wl,--disable-new-dtags,-rpath,{'$ORIGIN'}/lib"
    parts: dict[str, bytes] = {
        "app/lib/libone.so": gcc.library("libone.so", ["libtwo.so", "libc.so.6"]),
        "app/lib/libtwo.so": gcc.library("libtwo.so", ["libthree.so"], "-Wl,-rpath,$ORIGIN/deep"),
        "app/lib/deep/libthree.so": gcc.library("libthree.so", ["libfour.so"]),
        f"{LIB}/libfour.so": gcc.library("libfour.so", [], "-Wl,-z,nodefaultlib"),
        "usr/lib/libfive.so": gcc.library("libfive.so", ["libone.so"]),
        "opt/libsix.so": gcc.library("libsix.so", ["libfour.so"], "-Wl,-z,nodefaultlib"),
    }
    take = {"none": 0, "some": 3, "all": 6}[have]
    app = {
        "app/new": gcc.program(["libone.so", "libfive.so", "libsix.so"], origin),
        "app/old": gcc.program(["libone.so", "libfive.so", "libsix.so"], old),
        **dict(list(parts.items())[:take]),
    }
    root = tmp_path / "root"
    for name, content in {**on, **app}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content.removeprefix("-> "))
        else:
            path.write_bytes(content)
            path.chmod(0o755)
    for program in ("app/new", "app/old"):
        only = {name: data for name, data in app.items() if not name.startswith("app/new")
                and not name.startswith("app/old")}  # fmt: skip
        findings = look({**only, program: app[program]}, on=on, env={"LD_LIBRARY_PATH": "/opt"})
        ours = {one.soname for one in findings.unresolved if one.chain[0] == program}
        done = subprocess.run(
            [f"/{LINKER}", f"/{program}"],
            preexec_fn=partial(os.chroot, root),
            env={"LD_TRACE_LOADED_OBJECTS": "1", "LD_LIBRARY_PATH": "/opt"},
            capture_output=True,
            text=True,
        )
        theirs = {
            line.split()[0] for line in done.stdout.splitlines() if line.endswith("not found")
        }
        assert done.stdout, done.stderr
        assert ours == theirs, program

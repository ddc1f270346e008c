"""Rust: which program, which toolchain, what C it needs, where it listens, what it reads."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError, VersionError
from laststage.detect.folder import detect
from laststage.detect.rust.app import RustProfile
from laststage.detect.rust.toolchain import NEWEST
from laststage.detect.settings import AppSettings
from laststage.errors import UsageError

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., RustProfile]

MAIN = "fn main() {}\n"
PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'


def crate(name: str, more: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\n{more}'


def lock(*crates: str) -> str:
    entries = (one.partition(" ") for one in crates)
    return "version = 4\n" + "".join(
        f'\n[[package]]\nname = "{name}"\nversion = "{version or "1.0.0"}"\n'
        for name, _, version in entries
    )


def body(line: str) -> str:
    return f"fn main() {{\n    {line}\n}}\n"


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    def find(files: Mapping[str, str | bytes], **said: Any) -> RustProfile:
        found = detect(make_tree(files), AppSettings(**said))
        assert isinstance(found, RustProfile)
        return found

    return find


def test_a_package(find: Find) -> None:
    profile = find({"Cargo.toml": PACKAGE, "Cargo.lock": lock("app"), "src/main.rs": MAIN})
    assert (profile.package, profile.program, profile.name) == ("app", "app", "app")
    assert (profile.version, profile.locked, profile.base) == (NEWEST, True, "")
    assert (profile.build_packages, profile.run_packages) == ((), ())
    assert profile.evidence[0].where == "Cargo.toml:1"


def test_a_library(find: Find) -> None:
    with pytest.raises(NoAppError, match="it is a library"):
        find({"Cargo.toml": PACKAGE, "src/lib.rs": ""})


def test_a_library_of_an_app_in_another_language(make_tree: MakeTree) -> None:
    files = {
        "Cargo.toml": PACKAGE, "src/lib.rs": "", "package.json": '{"scripts": {"start": "node x.js"}}',
        "x.js": "",
    }  # fmt: skip
    assert not isinstance(detect(make_tree(files)), RustProfile)


@pytest.mark.parametrize(
    ("files", "program"),
    [
        ({"src/main.rs": MAIN, "src/bin/other.rs": MAIN, "more": 'default-run = "other"\n'}, "other"),
        ({"src/main.rs": MAIN, "src/bin/other.rs": MAIN}, "app"),
        ({"src/bin/one.rs": MAIN, "src/bin/server/main.rs": MAIN}, "server"),
        ({"src/bin/app-cli.rs": MAIN, "src/bin/app-server.rs": MAIN}, "app-server"),
        ({"src/bin/a.rs": MAIN, "src/bin/b.rs": MAIN, "Procfile": "web: target/release/b\n"}, "b"),
        ({"start.rs": MAIN, "more": '[[bin]]\nname = "named"\npath = "start.rs"\n'}, "named"),
    ],
)  # fmt: skip
def test_programs(find: Find, files: dict[str, str], program: str) -> None:
    rest = {name: text for name, text in files.items() if name != "more"}
    assert find({"Cargo.toml": PACKAGE + files.get("more", ""), **rest}).program == program


SEVERAL = {"Cargo.toml": PACKAGE, "src/bin/b.rs": MAIN, "src/bin/a.rs": MAIN}


def test_several_programs(find: Find) -> None:
    with pytest.raises(AmbiguousAppError, match="builds 2 programs: a, b") as caught:
        find(SEVERAL)
    assert 'package = "a" or package = "b" under [app]' in caught.value.hint
    assert find(SEVERAL, package="b").program == "b"
    with pytest.raises(UsageError) as wrong:
        find(SEVERAL, package="c")
    assert wrong.value.hint == "programs: a, b"


WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/old"]\n'
    '[workspace.package]\nrust-version = "1.80"\n'
    '[workspace.dependencies]\ncommon = { path = "crates/common" }\n',
    "crates/api/Cargo.toml": crate(
        "api", "rust-version.workspace = true\n[dependencies]\ncommon.workspace = true\n"
    ),
    "crates/api/src/main.rs": body('listen("0.0.0.0:7000")'),
    "crates/common/Cargo.toml": crate("common"),
    "crates/common/src/lib.rs": "",
    "crates/old/Cargo.toml": crate("old"),
    "crates/old/src/main.rs": MAIN,
}


def test_a_workspace(find: Find) -> None:
    profile = find(WORKSPACE)
    assert (profile.package, profile.port) == ("api", 7000)
    assert any(evidence.fact == "Rust 1.80 or later" for evidence in profile.evidence)
    more = {"crates/cli/Cargo.toml": crate("cli"), "crates/cli/src/main.rs": MAIN}
    assert find({**WORKSPACE, **more}).program == "api"
    assert find({**WORKSPACE, **more}, package="crates/cli").program == "cli"
    chosen = WORKSPACE["Cargo.toml"].replace(
        "[workspace]\n", '[workspace]\ndefault-members = ["crates/cli"]\n'
    )
    assert find({**WORKSPACE, **more, "Cargo.toml": chosen}).program == "cli"


def test_what_is_outside_the_folder(find: Find) -> None:
    files = {"src/main.rs": MAIN}
    with pytest.raises(UnsupportedAppError, match=r"needs the folder \.\./\.\./axum") as caught:
        find({"Cargo.toml": PACKAGE + '[dependencies]\naxum = { path = "../../axum" }\n', **files})
    assert caught.value.where.endswith("Cargo.toml:6")
    with pytest.raises(UnsupportedAppError, match="takes something from its workspace"):
        find({"Cargo.toml": PACKAGE + "[dependencies]\nserde.workspace = true\n", **files})


def test_a_package_in_a_folder_below(find: Find) -> None:
    files = {"server/Cargo.toml": PACKAGE, "server/src/main.rs": MAIN}
    assert find(files).folder == "server"
    with pytest.raises(AmbiguousAppError, match="apps in 2 folders: client, server"):
        find({**files, "client/package.json": "{}"})


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"rust-toolchain": "1.80.1\n"}, "1.80.1"),
        ({"rust-toolchain": "stable\n"}, NEWEST),
        ({"rust-toolchain.toml": '[toolchain]\nchannel = "1.75"\n'}, "1.75"),
        ({"rust-toolchain.toml": '[toolchain]\ncomponents = ["clippy"]\n'}, NEWEST),
        ({"Cargo.toml": PACKAGE + 'rust-version = "1.70"\n'}, NEWEST),
        ({"Cargo.toml": PACKAGE + 'rust-version = "1.99.1"\n'}, "1.99"),
        ({"Cargo.lock": lock("time 0.3.20")}, "1.79"),
        ({"Cargo.lock": lock("time 0.3.40")}, NEWEST),
    ],
)  # fmt: skip
def test_the_toolchain(find: Find, files: dict[str, str], version: str) -> None:
    assert find({"Cargo.toml": PACKAGE, "src/main.rs": MAIN, **files}).version == version


def test_a_toolchain_that_is_no_release(find: Find) -> None:
    files = {"Cargo.toml": PACKAGE, "src/main.rs": MAIN, "rust-toolchain": "nightly-2024-01-01"}
    with pytest.raises(VersionError, match="Rust nightly-2024-01-01") as caught:
        find(files)
    assert f'version = "{NEWEST}"' in caught.value.hint
    assert find(files, version="1.90").version == "1.90"


@pytest.mark.parametrize(
    ("crates", "dependencies", "build", "base"),
    [
        (["openssl-sys"], "", ("libssl-dev", "pkg-config"), "base"),
        (["openssl-sys", "openssl-src"], "", ("make", "perl"), ""),
        (["pq-sys"], "", ("libpq-dev",), "base"),
        (["libsqlite3-sys"], "", ("libsqlite3-dev", "pkg-config"), "base-nossl"),
        (["libsqlite3-sys"], 'rusqlite = { version = "0", features = ["bundled"] }\n', (), ""),
        (["libsqlite3-sys", "sqlx-sqlite"], "", (), ""),
        (["prost-build"], "", ("libprotobuf-dev", "protobuf-compiler"), ""),
        (["aws-lc-sys"], "", ("cmake", "g++", "make"), ""),
        (None, 'reqwest = "0.12"\n', ("libssl-dev", "pkg-config"), "base"),
        (None, 'reqwest = { version = "0.12", default-features = false }\n', (), ""),
    ],
)
def test_crates_that_are_not_rust_alone(
    find: Find, crates: list[str] | None, dependencies: str, build: tuple[str, ...], base: str
) -> None:
    files = {"Cargo.toml": f"{PACKAGE}[dependencies]\n{dependencies}", "src/main.rs": MAIN}
    profile = find({**files, **({} if crates is None else {"Cargo.lock": lock(*crates)})})
    assert (profile.build_packages, profile.base) == (build, base)
    assert profile.run_packages == (("libgcc-s1",) if base else ())


@pytest.mark.parametrize("name", ["yew", "leptos", "shuttle-runtime"])
def test_programs_for_elsewhere(find: Find, name: str) -> None:
    files = {"Cargo.toml": f'{PACKAGE}[dependencies]\n{name} = "0"\n', "src/main.rs": MAIN}
    with pytest.raises(UnsupportedAppError) as caught:
        find(files)
    assert caught.value.where.endswith("Cargo.toml:6")


@pytest.mark.parametrize(
    ("code", "port", "env"),
    [
        ('TcpListener::bind("0.0.0.0:3000").await', 3000, {}),
        ('HttpServer::new(app).bind(("127.0.0.1", 8081))', 8081, {}),
        ("warp::serve(hello).run(([0, 0, 0, 0], 3030))", 3030, {}),
        ("SocketAddr::from(([127, 0, 0, 1], 3001))", 3001, {}),
        ("SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 4000)", 4000, {}),
        ('let p = env::var("PORT").unwrap_or_else(|_| "5000".to_string());', 5000, {"PORT": "5000"}),
        ('let p = env::var("PORT").unwrap();', 8080, {"PORT": "8080"}),
        (
            'let a = env::var("BIND_ADDR").unwrap_or("127.0.0.1:4000".into());',
            4000,
            {"BIND_ADDR": "0.0.0.0:4000"},
        ),
        (
            'let h = env::var("HOST").unwrap_or("127.0.0.1".into()); let p = env::var("PORT");',
            8080,
            {"PORT": "8080", "HOST": "0.0.0.0"},
        ),
        ('// bind("0.0.0.0:3000")', 0, {}),
        ("}\n#[cfg(test)]\nmod tests {\n    fn f() { bind(\"127.0.0.1:1234\") }\n", 0, {}),
    ],
)  # fmt: skip
def test_ports(find: Find, code: str, port: int, env: dict[str, str]) -> None:
    profile = find({"Cargo.toml": PACKAGE, "src/main.rs": body(code)})
    assert (profile.port, profile.env) == (port, env)


def test_rocket_listens_everywhere(find: Find) -> None:
    files = {
        "Cargo.toml": f'{PACKAGE}[dependencies]\nrocket = "0.5"\nrocket_dyn_templates = "0.2"\n',
        "src/main.rs": MAIN, "Rocket.toml": "[default]\nport = 8001\n", "templates/a.tera": "",
    }  # fmt: skip
    profile = find(files)
    assert profile.port == 8001
    assert profile.env == {"ROCKET_PORT": "8001", "ROCKET_ADDRESS": "0.0.0.0"}
    assert profile.reads == ("Rocket.toml", "templates")


def test_what_it_reads(find: Find) -> None:
    code = (
        'Tera::new("templates/**/*.html"); ServeDir::new("./public"); include_str!("../sql/a.sql"); '
        'x("sql/a.sql"); File::with_name("config/default"); y("src");'
    )
    files = {
        "Cargo.toml": f'{PACKAGE}[dependencies]\nconfig = "0"\n', "src/main.rs": body(code),
        "templates/a.html": "", "public/a.css": "", "sql/a.sql": "", "config/default.toml": "",
    }  # fmt: skip
    assert find(files).reads == ("config/default.toml", "public", "templates")


def test_what_it_makes(find: Find) -> None:
    assert find({"Cargo.toml": PACKAGE, "src/main.rs": body('open("sqlite://data.db")')}).writes


def test_flags_of_its_own(find: Find) -> None:
    text = '[build]\nrustflags = ["--cfg", "tokio_unstable", "-C", "link-arg=-fuse-ld=mold"]\n'
    files = {"Cargo.toml": PACKAGE, "src/main.rs": MAIN, ".cargo/config.toml": text}
    assert find(files).flags == ("--cfg", "tokio_unstable")
    files[".cargo/config.toml"] = "[alias]\nb = 'build'\n"
    assert find(files).flags == ()


def test_queries_that_are_checked_while_it_compiles(find: Find) -> None:
    files = {
        "Cargo.toml": f'{PACKAGE}[dependencies]\nsqlx = "0.8"\n',
        "src/main.rs": body('sqlx::query!("select 1")'),
    }
    with pytest.raises(UnsupportedAppError, match="against a database while it compiles") as caught:
        find(files)
    assert caught.value.where.endswith("src/main.rs:2")
    assert find({**files, ".sqlx/query-1.json": "{}"}).offline


def test_a_front_end_that_is_compiled_in_is_built_first(find: Find) -> None:
    files = {
        "Cargo.toml": PACKAGE,
        "src/main.rs": '#[derive(RustEmbed)]\n#[folder = "ui/dist/"]\nstruct Ui;\n' + MAIN,
        "ui/package.json": '{"scripts": {"build": "vite build"}}',
    }
    frontend = find(files).frontend
    assert frontend is not None
    assert frontend.compiled == ("ui/dist",)


def test_certificates_are_looked_for(find: Find) -> None:
    files = {"Cargo.toml": PACKAGE, "src/main.rs": MAIN}
    assert find({**files, "Cargo.lock": lock("openssl-probe")}).certificates
    assert not find({**files, "Cargo.lock": lock("ring")}).certificates


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ('bind("127.0.0.1:3000")', 'bind("0.0.0.0:3000")'),
        ('bind(("localhost", 3000))', 'bind(("0.0.0.0", 3000))'),
        ("run(([127, 0, 0, 1], 3000))", "run(([0, 0, 0, 0], 3000))"),
        ("at(Ipv4Addr::LOCALHOST, 3000)", "at(Ipv4Addr::UNSPECIFIED, 3000)"),
        ("at(Ipv4Addr::new(127, 0, 0, 1), 3000)", "at(Ipv4Addr::new(0, 0, 0, 0), 3000)"),
        ('bind("0.0.0.0:3000")', ""),
    ],
)
def test_a_server_that_nobody_reaches(make_tree: MakeTree, code: str, changed: str) -> None:
    folder = make_tree({"Cargo.toml": PACKAGE, "src/main.rs": body(code)})
    profile = detect(folder)
    assert isinstance(profile, RustProfile)
    assert profile.port == 3000
    if not changed:
        assert profile.rebinding is None
        return
    assert profile.rebinding is not None
    subprocess.run(["sh", "-c", profile.rebinding.command], check=True, cwd=folder)
    assert Path(folder, "src/main.rs").read_text() == body(changed)


def test_only_the_crates_of_the_program_count(find: Find) -> None:
    text = (
        'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["a 1.0.0"]\n'
        '\n[[package]]\nname = "a"\nversion = "1.0.0"\ndependencies = ["prost-build"]\n'
        '\n[[package]]\nname = "prost-build"\nversion = "1.0.0"\n'
        '\n[[package]]\nname = "openssl-sys"\nversion = "1.0.0"\n'
    )
    profile = find({"Cargo.toml": PACKAGE, "Cargo.lock": text, "src/main.rs": MAIN})
    assert profile.build_packages == ("libprotobuf-dev", "protobuf-compiler")
    assert profile.base == ""


def test_a_lock_file_that_is_not_up_to_date(find: Find) -> None:
    files = {"Cargo.toml": f'{PACKAGE}[dependencies]\naxum = "0.8"\n', "src/main.rs": MAIN}
    profile = find({**files, "Cargo.lock": lock("app")})
    assert not profile.locked
    assert any(one.why == "Cargo.lock lacks axum: the build adds it" for one in profile.decisions)
    assert find({**files, "Cargo.lock": lock("app", "axum")}).locked

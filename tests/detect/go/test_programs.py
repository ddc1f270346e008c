"""Go beyond one module with one program: workspaces, lone files, C, ports, and what is read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.errors import AmbiguousAppError, UnsupportedAppError
from laststage.detect.folder import detect
from laststage.detect.go.app import GoProfile
from laststage.detect.settings import AppSettings
from laststage.errors import PlanError
from laststage.plan.plan import make_plan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., GoProfile]

MOD = "module example.test/team/app\n\ngo 1.24\n"
MAIN = "package main\n\nfunc main() {}\n"


def body(line: str, *imports: str) -> str:
    listed = "".join(f'import "{name}"\n' for name in imports)
    return f"package main\n\n{listed}\nfunc main() {{\n\t{line}\n}}\n"


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    def find(files: Mapping[str, str | bytes], **said: Any) -> GoProfile:
        found = detect(make_tree(files), AppSettings(**said))
        assert isinstance(found, GoProfile)
        return found

    return find


WORK = {
    "go.work": "go 1.24\n\nuse (\n\t./api\n\t./shared\n)\n",
    "api/go.mod": "module example.test/api\n\ngo 1.23\n",
    "api/main.go": MAIN,
    "shared/go.mod": "module example.test/shared\n",
    "shared/shared.go": "package shared\n",
}


def test_a_workspace(find: Find) -> None:
    profile = find(WORK)
    assert (profile.name, profile.package, profile.folder) == ("api", "./api", "")
    assert profile.workspace
    assert profile.evidence[0].where == "go.work:3"


def test_a_workspace_of_two_programs(find: Find) -> None:
    two = {**WORK, "shared/shared.go": MAIN}
    assert find(two).package == "./api"
    assert find(two, package="shared").package == "./shared"
    with pytest.raises(AmbiguousAppError):
        find({
            "go.work": "use ./one\nuse ./two\n",
            "one/go.mod": "module one/x\n", "one/main.go": MAIN,
            "two/go.mod": "module two/y\n", "two/main.go": MAIN,
        })  # fmt: skip


def test_a_workspace_that_reaches_outside(find: Find) -> None:
    with pytest.raises(UnsupportedAppError, match=r"needs the folder \.\./lib") as caught:
        find({**WORK, "go.work": "use ./api\nuse ../lib\n"})
    assert caught.value.where.endswith("go.work:2")


@pytest.mark.parametrize(
    ("files", "package"),
    [
        ({"cmd/app/main.go": MAIN, "cmd/other/main.go": MAIN}, "./cmd/app"),
        ({"cmd/server/main.go": MAIN, "cmd/migrate/main.go": MAIN}, "./cmd/server"),
        ({"cmd/x/main.go": MAIN, "examples/a/main.go": MAIN, "tools/b/main.go": MAIN}, "./cmd/x"),
        (
            {"cmd/x/main.go": MAIN, "cmd/y/main.go": MAIN, "Procfile": "web: bin/y -v\n"},
            "./cmd/y",
        ),
        (
            {
                "cmd/x/main.go": MAIN,
                "cmd/y/main.go": MAIN,
                "Dockerfile": "RUN CGO_ENABLED=0 go build -o /y ./cmd/y && true\n",
            },
            "./cmd/y",
        ),
        ({"main.go": MAIN, "worker/main.go": MAIN, "Procfile": "web: worker\n"}, "./worker"),
    ],
    ids=["module", "server", "aside", "procfile", "dockerfile", "procfile-before-root"],
)
def test_one_of_several(find: Find, files: dict[str, str], package: str) -> None:
    profile = find({"go.mod": MOD, **files})
    assert profile.package == package
    assert any(decision.what == f"the program {package}" for decision in profile.decisions)


def test_arguments(find: Find) -> None:
    files = {"go.mod": MOD, "main.go": MAIN, "Procfile": "web: app serve --port $PORT\n"}
    assert find(files).arguments == ("serve", "--port", "8080")
    assert find(files, start="app other").arguments == ("other",)


def test_files_without_a_module(find: Find) -> None:
    profile = find(
        {"main.go": body("", "example.org/old/app/inner"), "inner/x.go": "package inner\n"}
    )
    assert profile.initiate
    assert profile.module == "example.org/old/app"
    assert profile.decisions[0].what == "module example.org/old/app"


def test_the_module_of_a_folder_above(make_tree: MakeTree) -> None:
    root = make_tree({"go.mod": MOD, "examples/hello/main.go": MAIN})
    with pytest.raises(UnsupportedAppError, match=r"its go\.mod is in") as caught:
        detect(f"{root}/examples/hello")
    assert (
        caught.value.hint == f"build from there: laststage build {root} --package ./examples/hello"
    )


def test_a_module_in_a_folder_below(find: Find, make_tree: MakeTree) -> None:
    files = {"README.md": "", "backend/go.mod": MOD, "backend/main.go": MAIN}
    profile = find(files)
    assert (profile.folder, profile.package, profile.name) == ("backend", ".", "app")
    with pytest.raises(AmbiguousAppError, match="apps in 2 folders: backend, frontend") as caught:
        find({**files, "frontend/package.json": "{}"})
    assert "/backend" in caught.value.hint


def test_a_library_beside_an_app_of_another_language(make_tree: MakeTree) -> None:
    files = {
        "go.mod": MOD, "lib.go": "package app\n",
        "package.json": '{"scripts": {"start": "node x.js"}}', "x.js": "",
    }  # fmt: skip
    try:
        found = detect(make_tree(files))
    except PlanError as error:
        pytest.fail(f"{error.message}: Go is in the way")
    assert not isinstance(found, GoProfile)


@pytest.mark.parametrize(
    ("more", "resolves"),
    [
        ({}, False),
        ({"go.mod": MOD + "require example.org/x v1.0.0\n"}, True),
        ({"go.mod": MOD + "require example.org/x v1.0.0\n", "go.sum": ""}, True),
        (
            {
                "go.mod": MOD + "require example.org/x v1.0.0\n",
                "go.sum": "example.org/x v1.0.0/go.mod h1:x\n",
            },
            False,
        ),
        ({"main.go": body("", "example.org/x/y")}, True),
        (
            {
                "go.mod": MOD + "require example.org/x v1.0.0\n",
                "vendor/modules.txt": "# example.org/x v1.0.0\n",
            },
            False,
        ),
    ],
    ids=["none", "no-sum", "empty-sum", "sum", "not-required", "vendored"],
)
def test_versions_that_are_open(find: Find, more: dict[str, str], resolves: bool) -> None:
    profile = find({"go.mod": MOD, "main.go": MAIN, **more})
    assert profile.resolve is resolves
    assert any(decision.what == "-mod=mod" for decision in profile.decisions) is resolves


def test_sqlite_is_linked_whole(find: Find) -> None:
    files = {"go.mod": MOD + "require github.com/mattn/go-sqlite3 v1.14.0\n", "main.go": MAIN}
    cgo = find(files).cgo
    assert cgo is not None
    assert cgo.static
    assert cgo.tags == ("netgo", "osusergo", "sqlite_omit_load_extension")


def test_c_of_its_own_is_linked_to_libraries(find: Find) -> None:
    cgo = find({"go.mod": MOD, "main.go": body("", "C")}).cgo
    assert cgo is not None
    assert not cgo.static
    # only what the program imports counts
    assert (
        find({"go.mod": MOD, "main.go": MAIN, "other/x.go": 'package x\n\nimport "C"\n'}).cgo
        is None
    )


def test_c_of_a_module_is_built_with_its_packages(find: Find) -> None:
    files = {"go.mod": MOD + "require github.com/h2non/bimg/v2 v2.0.0\n", "main.go": MAIN}
    assert find(files).build_packages == ("libvips-dev",)
    pcap = MOD + "require github.com/google/gopacket v1.1.19\n"
    assert find({"go.mod": pcap, "main.go": MAIN}).cgo is None
    uses = body("", "github.com/google/gopacket/pcap")
    assert find({"go.mod": pcap, "main.go": uses}).build_packages == ("libpcap-dev",)


@pytest.mark.parametrize(
    ("code", "port", "env"),
    [
        ('http.ListenAndServe(":3333", nil)', 3333, {}),
        ('app.Listen(":3000")', 3000, {}),
        ('e.Logger.Fatal(e.Start(":1323"))', 1323, {}),
        ('s := http.Server{Addr: ":7000"}', 7000, {}),
        ('net.Listen("tcp", "0.0.0.0:6000")', 6000, {}),
        ('flag.Int("port", 9898, "where")', 9898, {}),
        ('p := os.Getenv("PORT")\n\tif p == "" {\n\t\tp = "5000"\n\t}', 5000, {"PORT": "5000"}),
        ('p := getEnv("PORT", "80")', 8080, {"PORT": "8080"}),
        ('p := os.Getenv("PORT"); if p == "" { log.Fatal("no port") }', 8080, {"PORT": "8080"}),
        ("r := gin.Default(); r.Run()", 8080, {"PORT": "8080"}),
        ('a := env("ADDR", "localhost:4000")', 4000, {"ADDR": "0.0.0.0:4000"}),
        ('// http.ListenAndServe(":3333", nil)', 0, {}),
        ('client.Get("http://localhost:9000/")', 0, {}),
    ],
)  # fmt: skip
def test_ports(find: Find, code: str, port: int, env: dict[str, str]) -> None:
    profile = find({"go.mod": MOD, "main.go": body(code)})
    assert (profile.port, profile.env) == (port, env)


def test_the_owners_port_is_told_to_the_program(find: Find) -> None:
    code = 'p := getEnv("PORT", "5000")'
    profile = find({"go.mod": MOD, "main.go": body(code)}, port=9000)
    assert (profile.port, profile.env) == (9000, {"PORT": "9000"})


def test_a_server_that_nobody_reaches(make_tree: MakeTree) -> None:
    code = 'log.Print("on 127.0.0.1:9000"); http.ListenAndServe("127.0.0.1:9000", nil)'
    folder = make_tree({"go.mod": MOD, "main.go": body(code)})
    profile = detect(folder)
    assert isinstance(profile, GoProfile)
    assert profile.rebinding is not None
    assert any("nothing outside its container reaches it" in one.why for one in profile.decisions)
    subprocess.run(["sh", "-c", profile.rebinding.command], check=True, cwd=folder)
    changed = Path(folder, "main.go").read_text()
    assert changed == body(code.replace('("127.0.0.1:9000"', '(":9000"'))


def test_what_it_reads(find: Find) -> None:
    files = {
        "go.mod": MOD,
        "main.go": body(
            'http.Dir("./static"); r.LoadHTMLGlob("templates/*.html"); os.ReadFile("data/list.csv")\n'
            '\tfilepath.Join("conf", "app.yaml"); x("inner"); y("README.md"); z("/static", ".env")'
        ),
        "static/a.css": "", "templates/a.html": "", "data/list.csv": "", "data/other.csv": "",
        "conf/app.yaml": "", "inner/x.go": "package inner\n", "README.md": "", ".env": "",
    }  # fmt: skip
    assert find(files).reads == ("conf/app.yaml", "data/list.csv", "static", "templates")


def test_what_is_compiled_in_is_not_copied(find: Find) -> None:
    source = (
        'package main\n\nimport "embed"\n\n//go:embed all:static templates/*.html\nvar files embed.FS\n\n'
        'func main() { fs.Sub(files, "static"); parse("templates/a.html") }\n'
    )
    files = {"go.mod": MOD, "main.go": source, "static/a.css": "", "templates/a.html": ""}
    assert find(files).reads == ()


def test_paths_from_the_folder_of_the_program(find: Find) -> None:
    files = {
        "go.mod": MOD, "cmd/web/main.go": body('os.Open("views/a.html")'), "cmd/web/views/a.html": "",
    }  # fmt: skip
    profile = find(files)
    assert (profile.workdir, profile.reads) == ("cmd/web", ("views/a.html",))


@pytest.mark.parametrize("code", ['open("./data.db")', 'os.MkdirAll("uploads", 0o755)'])
def test_what_it_makes(find: Find, code: str) -> None:
    profile = find({"go.mod": MOD, "main.go": body(code)})
    assert profile.writes
    assert any(decision.what == "it runs in /home/nonroot" for decision in profile.decisions)


def test_what_tests_make_does_not_count(find: Find) -> None:
    files = {"go.mod": MOD, "main.go": MAIN, "main_test.go": body('open("x.db")')}
    assert not find(files).writes


FRONTEND = {
    "web/package.json": '{"scripts": {"build": "vite build"}}',
    "web/package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}',
}
EMBEDS = (
    'package main\n\nimport "embed"\n\n//go:embed web/dist\nvar files embed.FS\n\nfunc main() {}\n'
)


def test_a_front_end_that_is_compiled_in_is_built_first(find: Find) -> None:
    files = {"go.mod": MOD, "main.go": EMBEDS, **FRONTEND, "web/dist/.gitkeep": ""}
    frontend = find(files).frontend
    assert frontend is not None
    assert (frontend.package.folder, frontend.compiled, frontend.served) == (
        "web", ("web/dist",), (),
    )  # fmt: skip
    assert frontend.evidence[0].where == "main.go:5"
    assert find({**files, "web/dist/index.html": ""}).frontend is None
    assert find({"go.mod": MOD, "main.go": EMBEDS}).frontend is None


def test_a_front_end_that_is_served_is_built_first(find: Find) -> None:
    files = {"go.mod": MOD, "main.go": body('http.Dir("./web/dist")'), **FRONTEND}
    frontend = find(files).frontend
    assert frontend is not None
    assert (frontend.compiled, frontend.served) == ((), ("web/dist",))


def test_a_file_of_secrets_is_told_of(find: Find) -> None:
    profile = find({"go.mod": MOD, "main.go": body("", "github.com/joho/godotenv")})
    assert any(decision.what == ".env stays out of the image" for decision in profile.decisions)


def test_what_the_procfile_sets(find: Find) -> None:
    files = {"go.mod": MOD, "main.go": MAIN, "Procfile": "web: MODE=a app\n"}
    assert find(files).env == {"MODE": "a"}
    assert find(files, env={"MODE": "b"}).env == {"MODE": "b"}


@pytest.mark.parametrize(
    ("code", "takes"), [('open("testdata/a.txt")', True), ('open("a")', False)]
)
def test_testdata_that_is_not_for_tests(find: Find, code: str, takes: bool) -> None:
    files = {"go.mod": MOD, "main.go": body(code), "testdata/a.txt": ""}
    profile = find(files)
    assert profile.takes_testdata is takes
    assert ("**/testdata" in make_plan(profile).dockerignore.splitlines()) is not takes

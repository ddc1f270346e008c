from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import pytest

from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError
from laststage.detect.folder import detect
from laststage.detect.go.app import EVERYTHING, GoProfile
from laststage.detect.settings import AppSettings
from laststage.errors import UsageError

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., GoProfile]

MOD = "module example.test/team/app\n\ngo 1.24\n"
MAIN = "package main\n\nfunc main() {}\n"


def program(*imports: str) -> str:
    listed = "".join(f'\t"{name}"\n' for name in imports)
    return f"package main\n\nimport (\n{listed})\n\nfunc main() {{}}\n"


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    def find(files: Mapping[str, str | bytes], package: str = "") -> GoProfile:
        return detect(make_tree(files), AppSettings(package=package))

    return find


def test_a_program_at_the_top(find: Find) -> None:
    profile = find({"go.mod": MOD, "main.go": "// A comment.\n" + MAIN})
    assert (profile.name, profile.module) == ("app", "example.test/team/app")
    assert (profile.version, profile.package) == ("1.24", ".")
    flags = (profile.has_dependencies, profile.vendored, profile.has_local_modules)
    assert flags == (False, False, False)
    assert profile.needs == ()
    assert [(evidence.fact, evidence.where) for evidence in profile.evidence] == [
        ("Go module example.test/team/app", "go.mod:1"),
        ("Go 1.24 or later", "go.mod:3"),
        ("main package", "main.go:4"),
        ("uses neither network nor time zones, by its imports", "*.go"),
    ]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("app", "app"),
        ("example.test/team/app/v2", "app"),
        ("example.test/app.v3", "app.v3"),
        ('"example.test/quoted"', "quoted"),
        ("v2", "v2"),
    ],
)
def test_the_program_has_the_name_of_its_module(find: Find, module: str, name: str) -> None:
    assert find({"go.mod": f"// text\nmodule {module}\n", "main.go": MAIN}).name == name


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("go 1.21", "1.21"),
        ("go 1.24.5", "1.24.5"),
        ("go 1.25rc1", "1.25"),
        ("", ""),
        ("// go 1.9", ""),
    ],
)
def test_the_version(find: Find, line: str, version: str) -> None:
    assert find({"go.mod": f"module app\n{line}\n", "main.go": MAIN}).version == version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("require ()", False),
        ("require (\n\t// none yet\n)", False),
        ("require example.test/x v1.0.0", True),
        ("require (\n\texample.test/x v1.0.0\n)", True),
        ("require (\n\t// why\n\texample.test/x v1.0.0 // indirect\n)", True),
        ("// require example.test/x v1.0.0", False),
    ],
)
def test_dependencies(find: Find, text: str, expected: bool) -> None:
    assert find({"go.mod": f"{MOD}\n{text}\n", "main.go": MAIN}).has_dependencies is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replace example.test/x => ./x", True),
        ("replace (\n\texample.test/x v1.0.0 => ./x/y\n)", True),
        ("replace example.test/x => example.test/y v1.0.0", False),
        ("replace example.test/x => example.test/y/z v1.0.0", False),
    ],
)
def test_modules_in_folders(find: Find, text: str, expected: bool) -> None:
    assert find({"go.mod": f"{MOD}\n{text}\n", "main.go": MAIN}).has_local_modules is expected


@pytest.mark.parametrize("target", ["../x", "/srv/x"])
def test_a_module_outside_the_folder(find: Find, target: str) -> None:
    with pytest.raises(
        UnsupportedAppError, match=f"needs the folder {target}, which is outside"
    ) as caught:
        find({"go.mod": f"{MOD}\nreplace example.test/x => {target}\n", "main.go": MAIN})
    assert caught.value.where.endswith("/go.mod:5")
    assert "--package" in caught.value.hint


def test_vendored(find: Find) -> None:
    files = {
        "go.mod": MOD + "require example.test/x v1.0.0\n",
        "main.go": MAIN,
        "vendor/modules.txt": "# example.test/x v1.0.0\n",
        "vendor/example.test/x/main.go": MAIN,
    }
    profile = find(files)
    assert profile.vendored
    assert profile.has_dependencies
    assert profile.package == "."


def test_one_program_below(find: Find) -> None:
    profile = find({"go.mod": MOD, "cmd/server/main.go": MAIN, "lib.go": "package app\n"})
    assert (profile.name, profile.package) == ("server", "./cmd/server")
    assert profile.evidence[2].where == "cmd/server/main.go:3"


def test_the_one_at_the_top_comes_first(find: Find) -> None:
    assert find({"go.mod": MOD, "main.go": MAIN, "cmd/tool/main.go": MAIN}).package == "."


SEVERAL = {"go.mod": MOD, "cmd/b/main.go": MAIN, "cmd/a/main.go": MAIN, "tool/main.go": MAIN}


def test_several_programs(find: Find, make_tree: MakeTree) -> None:
    folder = make_tree(SEVERAL)
    with pytest.raises(AmbiguousAppError) as caught:
        detect(folder)
    error = caught.value
    assert error.message == "the Go module has 3 programs: ./cmd/a, ./cmd/b, ./tool"
    assert error.hint == (
        'choose one: package = "./cmd/a" or package = "./cmd/b" or package = "./tool" under [app] in '
        "laststage.toml, or --package ./cmd/a"
    )
    assert error.where == f"{folder}/go.mod"
    assert (error.code, error.exit_code) == ("LS702", 2)


@pytest.mark.parametrize(
    ("wanted", "package"),
    [("./cmd/b", "./cmd/b"), ("cmd/b", "./cmd/b"), ("cmd/b/", "./cmd/b"), ("./tool", "./tool")],
)
def test_choosing_one(find: Find, wanted: str, package: str) -> None:
    assert find(SEVERAL, wanted).package == package


@pytest.mark.parametrize("wanted", [".", "./", "././."])
def test_choosing_the_one_at_the_top(find: Find, wanted: str) -> None:
    assert find({**SEVERAL, "main.go": MAIN}, wanted).package == "."


def test_choosing_what_is_none(find: Find) -> None:
    for wanted in ("cmd/c", ".", "..", "/cmd/a", "example.test/team/app/cmd/a"):
        with pytest.raises(UsageError, match="no main package in") as caught:
            find(SEVERAL, wanted)
        assert caught.value.hint == "main packages: ./cmd/a, ./cmd/b, ./tool"
    with pytest.raises(UsageError) as caught:
        find({"go.mod": MOD, "lib.go": "package app\n"}, "cmd/a")
    assert caught.value.hint == "main packages: none"


@pytest.mark.parametrize(
    "files",
    [
        {"lib.go": "package app\n\nfunc main() {}\n"},
        {"main_test.go": MAIN},
        {"main.go": "package main\n\nfunc Main() {}\n"},
        {"gen.go": f"//go:build ignore\n\n{MAIN}"},
        {"gen.go": f"// +build ignore\n\n{MAIN}"},
        {"_main.go": MAIN},
        {".main.go": MAIN},
        {"testdata/main.go": MAIN},
        {"_examples/main.go": MAIN},
        {".hidden/main.go": MAIN},
        {"other/go.mod": "module other\n", "other/main.go": MAIN},
        {},
    ],
    ids=lambda files: next(iter(files), "nothing"),
)
def test_a_library(find: Find, files: dict[str, str]) -> None:
    with pytest.raises(NoAppError, match="no main package: it is a library") as caught:
        find({"go.mod": MOD, **files})
    assert "func main()" in caught.value.hint
    assert caught.value.exit_code == 2


def test_no_app(make_tree: MakeTree) -> None:
    folder = make_tree({"b.txt": "", "a.txt": ""})
    with pytest.raises(NoAppError) as caught:
        detect(folder)
    assert caught.value.message == f"found no app in {folder} (it holds a.txt, b.txt)"
    assert "write a Dockerfile" in caught.value.hint
    with pytest.raises(NoAppError, match="it holds nothing"):
        detect(make_tree({}))
    with pytest.raises(NoAppError, match=r"5, 6, 7, \.\.\."):
        detect(make_tree({f"{number}": "" for number in range(9)}))


def test_what_cannot_be_read(make_tree: MakeTree) -> None:
    with pytest.raises(UsageError, match="cannot read the folder"):
        detect(make_tree({}) + "/none")
    folder = make_tree({})
    os.mkdir(f"{folder}/go.mod")
    with pytest.raises(UsageError, match="cannot read it: Is a directory"):
        detect(folder)
    with pytest.raises(NoAppError, match="names no module"):
        detect(make_tree({"go.mod": "go 1.24\n"}))


@pytest.mark.parametrize(
    ("imports", "needs"),
    [
        (["fmt", "os", "encoding/json"], ()),
        (["fmt", "time"], ("tzdata",)),
        (["log"], ("tzdata",)),
        (["net/http"], EVERYTHING),
        (["time", "crypto/tls"], EVERYTHING),
        (["example.test/other/lib"], EVERYTHING),
        (["example.test/team/app/inner"], ()),
        (["example.test/team/apple"], EVERYTHING),
    ],
)
def test_what_it_may_read(find: Find, imports: list[str], needs: tuple[str, ...]) -> None:
    assert find({"go.mod": MOD, "main.go": program(*imports)}).needs == needs


@pytest.mark.parametrize(
    "text",
    [
        'import "net/http"',
        'import web "net/http"',
        'import _ "net/http"',
        'import (\n\t"fmt"\n\n\tweb "net/http"\n)',
        'import "fmt"\nimport (\n\t"net/http"\n)',
        "import (\n\t`net/http`\n)",
        'import (\n\t"fmt" // prints (a lot)\n\t"net/http"\n)',
        'import (\n\t// a) first\n\t"net/http"\n)',
    ],
)
def test_ways_to_import(find: Find, text: str) -> None:
    source = f"package main\n\n{text}\n\nfunc main() {{}}\n"
    assert find({"go.mod": MOD, "main.go": source}).needs == EVERYTHING


def test_a_package_below_counts_and_a_test_does_not(find: Find) -> None:
    lib = 'package inner\n\nimport "net"\n'
    assert find({"go.mod": MOD, "main.go": MAIN, "inner/x.go": lib}).needs == EVERYTHING
    assert find({"go.mod": MOD, "main.go": MAIN, "inner/x_test.go": lib}).needs == ()


def test_a_text_that_looks_like_an_import(find: Find) -> None:
    source = MAIN + '\nvar text = `\nimport "net/http"\n`\n'
    assert find({"go.mod": MOD, "main.go": source}).needs == ()


def test_bytes_that_are_no_text(find: Find) -> None:
    assert find({"go.mod": MOD, "main.go": b"// \xff\n" + MAIN.encode()}).name == "app"


def test_a_file_that_makes_a_pattern_sweat(find: Find) -> None:
    endless = "package x\n\nimport (\n" + "\t// nothing // here\n" * 2000
    assert find({"go.mod": MOD, "main.go": MAIN, "x/x.go": endless}).needs == ()

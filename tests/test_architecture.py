"""What the code must look like from afar: layers, sizes, errors, names, and the start-up budget."""

from __future__ import annotations

import ast
import importlib
import json
import os
import pickle
import pkgutil
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import laststage
from laststage.cli.receipt import receipt_key, write_receipt
from laststage.errors import LaststageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.documents import MANIFEST, Descriptor
from laststage.oci.layout import Layout
from laststage.store.root import Store

SOURCE = Path(laststage.__file__).parent
PROJECT = Path(__file__).parent.parent
MODULES = sorted(SOURCE.rglob("*.py"))

# Highest first. A package imports from the rows below its own, and from itself.
ROWS = (
    {"cli"},
    {"api"},
    {"workspace"},
    {"convert"},
    {"plan", "engine", "remote", "analysis"},
    {"detect", "graph", "base"},
    {"dockerfile", "debian", "registry", "sandbox"},
    {"oci", "net"},
    {"store", "tree"},
    {"events"},
    {"model"},
    {"errors"},
)
RANK = {name: depth for depth, row in enumerate(ROWS) for name in row}
LONGEST_MODULE = 500
LONGEST_FUNCTION = 60


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the package of each import of our own, wherever it stands."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            parts = name.split(".")
            if parts[0] == "laststage" and parts[1:] != ["__version__"]:
                yield node.lineno, parts[1]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    own = package_of(path)
    match own:
        case "__init__":
            allowed: set[str] = set()
        case "__main__":
            allowed = {"cli"}
        case "testing":  # the fakes stand beside everything, and nothing stands on them
            allowed = {*RANK, "testing"} - {"cli"}
        case _:
            allowed = {own, *(name for name in RANK if RANK[name] > RANK[own])}
    wrong = [
        f"{path}:{line}: {own} imports {other}"
        for line, other in imports(path)
        if other not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def all_errors() -> list[type[LaststageError]]:
    for module in pkgutil.walk_packages(laststage.__path__, "laststage."):
        if module.name != "laststage.__main__":
            importlib.import_module(module.name)
    found, pending = [LaststageError], [LaststageError]
    while pending:
        for kind in pending.pop().__subclasses__():
            if kind.__module__.startswith("laststage."):
                found.append(kind)
                pending.append(kind)
    return list(dict.fromkeys(found))


def test_errors_have_codes_of_their_own() -> None:
    errors = all_errors()
    counted = Counter(kind.code for kind in errors)
    shared = {
        code: [kind.__qualname__ for kind in errors if kind.code == code]
        for code, times in counted.items()
        if times > 1
    }
    assert not shared
    assert [code for code in counted if not re.fullmatch(r"LS\d{3}", code)] == []
    # a child may leave its parent's family of exit codes, but there are only two
    assert {kind.exit_code for kind in errors} <= {1, 2}


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__qualname__)
def test_errors_survive_pickling(kind: type[LaststageError]) -> None:
    error = kind("what is wrong", where="Dockerfile:7", hint="what to do", excerpt="7 | RUN")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == "what is wrong"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    long = {
        f"{name_of(path)}:{node.lineno}: {node.name} has {length} lines"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long


def public(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield classes and functions that others may use: no private name on the way to them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if child.name.startswith("_"):
                continue
            yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from public(child, prefix)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_everything_public_says_what_it_promises(path: Path) -> None:
    tree = tree_of(path)
    assert not tree.body or ast.get_docstring(tree), f"{path}: no docstring"
    bare = [
        f"{path}:{node.lineno}: {name}"
        for name, node in public(tree)
        if not ast.get_docstring(node)
    ]
    assert not bare, "\n".join(bare)


def hosts() -> list[str]:
    """Return hosts of package registries, put together here so that this file names none."""
    pieces = {
        "debian org": "deb ftp security httpredir snapshot archive cloudfront",
        "ubuntu com": "archive security ports",
        "alpinelinux org": "dl-cdn",
        "fedoraproject org": "dl mirrors",
        "pypi org": "* test",
        "pythonhosted org": "files",
        "npmjs org": "registry",
        "npmjs com": "registry",
        "yarnpkg com": "registry",
        "golang org": "proxy sum",
        "goproxy io": "*",
        "goproxy cn": "*",
        "maven apache org": "repo",
        "maven org": "repo1 central search",
        "crates io": "* static index",
        "rubygems org": "*",
        "packagist org": "*",
        "docker io": "registry registry-1 index auth",
        "docker com": "hub production.cloudflare",
        "quay io": "*",
        "ghcr io": "*",
    }
    return [
        ".".join([*([] if part == "*" else [part]), *domain.split()])
        for domain, parts in pieces.items()
        for part in parts.split()
    ]


def tracked() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout")
    return [PROJECT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def test_what_builds_images_is_marked() -> None:
    """Or `./check fast` would do it, on machines that have no sandbox."""
    found = [
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "tests" / "integration").rglob("test_*.py")
        if "pytest.mark.integration" not in path.read_text()
    ]
    assert found == []


def test_no_registry_is_named() -> None:
    names = "|".join(map(re.escape, hosts()))
    pattern = re.compile(rf"(?<![\w-])(?:{names})(?![\w-])", re.IGNORECASE)
    found = []
    for path in tracked():
        if not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" in data:
            continue
        text = data.decode("utf-8", "replace")
        found += [f"{path}: {match[0]}" for match in pattern.finditer(text)]
    assert not found, "\n".join(found)


# typing is missing in this list until the protocol in cli.dispatch is gone
HEAVY = {
    "asyncio", "concurrent.futures", "ctypes", "dataclasses", "deflate", "email", "hashlib",
    "http.client", "importlib.metadata", "inspect", "json", "logging", "msgspec", "pysequoia",
    "shutil", "socket", "ssl", "subprocess", "tarfile", "tempfile", "tomllib", "urllib3", "zipfile",
}  # fmt: skip
NO_OP = {
    "laststage",
    "laststage.cli",
    "laststage.cli.main",
    "laststage.cli.receipt",
    "laststage.store",
    "laststage.store.receipts",
}

SCRIPT = """
import sys
before = set(sys.modules)
from laststage.cli.main import main
code = main(sys.argv[1:])
loaded = sorted(set(sys.modules) - before)
sys.stderr.write("\\n" + repr((code, {name: getattr(sys.modules[name], "__file__", None) or "" for name in loaded})))
"""


def run(*argv: str, cwd: Path, store: Path) -> tuple[int, str, dict[str, str]]:
    """Run laststage in a process of its own: its code, its output, the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *argv],
        cwd=cwd,
        env=environment(store),
        capture_output=True,
        text=True,
        check=True,
    )
    code, loaded = ast.literal_eval(done.stderr.rpartition("\n")[2])
    return code, done.stdout, loaded


def environment(store: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(SOURCE.parent),
        "HOME": str(store.parent),
        "LASTSTAGE_STORE": str(store),
    }


def test_version_loads_nothing_heavy(tmp_path: Path) -> None:
    code, output, loaded = run("--version", cwd=tmp_path, store=tmp_path / "store")
    assert (code, output) == (0, f"laststage {laststage.__version__}\n")
    assert not set(loaded) & HEAVY
    assert not (tmp_path / "store").exists()


def test_a_build_of_nothing_new_loads_almost_nothing(tmp_path: Path) -> None:
    app, root = tmp_path / "app", tmp_path / "store"
    app.mkdir()
    (app / "main.go").write_text("package main\n")
    store = Store(str(root))
    store.prepare()
    image = Descriptor(MANIFEST, str(Digest.of(b"image")), 5)
    index = Layout(store).tag(Reference.parse("app"), image)
    argv = ["build", str(app), "-t", "app"]
    write_receipt(
        str(root),
        receipt_key(argv, environment(root), str(tmp_path)),
        index=[index],
        paths=[str(app), str(app / "main.go"), str(app / ".dockerignore")],
        output="what it printed\n",
        started_ns=time.time_ns() + 1_000_000_000,
    )
    code, output, loaded = run(*argv, cwd=tmp_path, store=root)
    assert (code, output) == (0, "what it printed\n")
    assert {name for name in loaded if name.partition(".")[0] == "laststage"} == NO_OP
    standard = str(Path(json.__file__).parent.parent)
    foreign = [
        f"{name}: {file}"
        for name, file in loaded.items()
        if name not in NO_OP and file and (not file.startswith(standard) or "site-packages" in file)
    ]
    assert not foreign
    assert not set(loaded) & HEAVY

    (app / "main.go").write_text("package other\n")
    code, _, loaded = run(*argv, "--offline", cwd=tmp_path, store=root)
    assert code != 0  # another command: no receipt

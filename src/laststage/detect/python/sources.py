"""What an app's own sources say, read as syntax: app objects, factories, servers, ports, writing."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder

# What makes the object that a server calls, by its full name, and the framework that it is of.
WSGI = {
    "flask.Flask": "flask", "apiflask.APIFlask": "flask", "flask_openapi3.OpenAPI": "flask",
    "connexion.FlaskApp": "flask", "eve.Eve": "flask", "bottle.Bottle": "bottle",
    "bottle.default_app": "bottle", "bottle.app": "bottle", "falcon.App": "falcon",
    "falcon.API": "falcon", "dash.Dash": "dash", "cherrypy.Application": "cherrypy",
    "django.core.wsgi.get_wsgi_application": "django",
}  # fmt: skip
ASGI = {
    "fastapi.FastAPI": "fastapi", "starlette.applications.Starlette": "starlette",
    "quart.Quart": "quart", "litestar.Litestar": "litestar", "falcon.asgi.App": "falcon-asgi",
    "fasthtml.common.FastHTML": "fasthtml", "fasthtml.common.fast_app": "fasthtml",
    "fasthtml.FastHTML": "fasthtml", "fasthtml.fastapp.fast_app": "fasthtml",
    "socketio.ASGIApp": "socketio", "blacksheep.Application": "blacksheep",
    "connexion.AsyncApp": "connexion", "connexion.App": "connexion",
    "channels.routing.ProtocolTypeRouter": "channels", "responder.API": "responder",
    "django.core.asgi.get_asgi_application": "django-asgi",
}  # fmt: skip
OTHER = {
    "sanic.Sanic": "sanic", "aiohttp.web.Application": "aiohttp",
    "tornado.web.Application": "tornado",
}  # fmt: skip
MAKERS = {**WSGI, **ASGI, **OTHER}
_STARRED = {
    "fasthtml.common": ("FastHTML", "fast_app"), "flask": ("Flask",), "bottle": ("Bottle", "run"),
    "fastapi": ("FastAPI",),
}  # fmt: skip
_FACTORY = re.compile(
    r"_?(create|make|build|get|init|setup|new)_?(\w*_)?(app|application|api|server|asgi|wsgi)\d?"
)
_APP_NAMES = ("app", "application", "api", "server", "asgi", "wsgi", "web", "handler", "main_app")
_TESTS = re.compile(
    r"(^|/)(tests?|testing|docs?|examples?|samples?|migrations|alembic|scripts?|bench\w*)/|(^|/)(test_[^/]*|[^/]*_test|conftest|setup|noxfile|fabfile|tasks)\.py$"
)
_MOST_FILES = 400
_WRITES = re.compile(
    r"""sqlite:///(?!/|:memory:)|sqlite3\.connect\(\s*f?["'](?!:memory:|/|file:)|instance_path"""
    r"""|["'](?:UPLOAD_FOLDER|UPLOADS?_DIR)["']|^\s*(?:UPLOAD_FOLDER|MEDIA_ROOT)\s*="""
    r"""|\bTinyDB\(\s*["'](?!/)|\b(?:os\.)?(?:makedirs|mkdir)\(\s*f?["'](?!/)|\bopen\(\s*f?["'](?!/)[^"']*["']\s*,\s*["'][wax]""",
    re.MULTILINE | re.VERBOSE,
)  # fmt: skip


class AppObject(Struct, frozen=True):
    """An object that a server can be given: *target* as servers take it (``pkg.mod:app``).

    *is_factory* says that it is a function to be called for it. *kind* is a framework's name.
    """

    path: str
    module: str
    name: str
    kind: str
    line: int
    is_factory: bool = False

    @property
    def target(self) -> str:
        """What a server is told: the module and the name in it."""
        return f"{self.module}:{self.name}"


class Called(Struct, frozen=True):
    """A call: full name, line, and what of its arguments can be told."""

    name: str
    line: int
    words: dict[str, object]
    values: list[object]


class Source(Struct, kw_only=True):
    """What one file says.

    *names* are its imports: the name here, and what it stands for. *makes* are functions and the
    framework whose app they make. *guard* is the line of ``if __name__ == "__main__"``, *runs*
    are calls that happen whenever the module is imported, *writes* is the line where it writes
    into its own folder.
    """

    path: str
    module: str
    names: dict[str, str] = {}
    modules: set[str] = set()
    optional: set[str] = set()
    objects: list[AppObject] = []
    functions: dict[str, tuple[int, tuple[str, ...]]] = {}
    makes: dict[str, str] = {}
    guard: int = 0
    calls: list[Called] = []
    runs: list[tuple[str, int]] = []
    values: dict[str, object] = {}
    writes: int = 0
    returned: dict[str, str] = {}


def read_sources(app: AppFolder) -> list[Source]:
    """Return what the app's own modules say, the ones nearest to the top first."""
    paths = [path for path in app.walk(".py", depth=5) if not _TESTS.search(path)]
    paths.sort(key=lambda path: (path.count("/"), path))
    return [source for path in paths[:_MOST_FILES] if (source := _read(app, path)) is not None]


def module_name(path: str) -> str:
    """Return the dotted name of the module in *path*."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _read(app: AppFolder, path: str) -> Source | None:
    text = app.text(path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    source = Source(path=path, module=module_name(path))
    written = _WRITES.search(text)
    source.writes = text.count("\n", 0, written.start()) + 1 if written else 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            _note_import(source, node)
        elif isinstance(node, ast.Try):
            source.optional |= {
                name.partition(".")[0] for inner in node.body for name in _imported(inner)
            }
    _note_body(source, tree.body)
    _note_values(source, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = {word.arg: _value(source, word.value) for word in node.keywords if word.arg}
            values = [_value(source, item) for item in node.args]
            called = full_name(source, node.func)
            source.calls.append(Called(called, node.lineno, words, values))
            if called == "tornado.options.define" and values:
                source.values[f"options.{values[0]}"] = words.get("default")
    return source


def _note_values(source: Source, tree: ast.Module) -> None:
    """Note names that stand for a literal or a variable of the environment."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if (known := _value(source, value)) is not None:
                    source.values.setdefault(name, known)
            case _:
                pass


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _note_import(source: Source, node: ast.Import | ast.ImportFrom) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            source.modules.add(alias.name.partition(".")[0])
            name = alias.asname or alias.name.partition(".")[0]
            source.names[name] = alias.name if alias.asname else name
        return
    base = node.module or ""
    if node.level:
        package = (
            source.module
            if source.path.endswith("__init__.py")
            else source.module.rpartition(".")[0]
        )
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        base = f"{package}.{base}".strip(".")
    else:
        source.modules.add(base.partition(".")[0])
    for alias in node.names:
        if alias.name == "*":
            for name in _STARRED.get(base, ()):
                source.names.setdefault(name, f"{base}.{name}")
        else:
            source.names[alias.asname or alias.name] = f"{base}.{alias.name}".strip(".")


def _note_body(source: Source, body: list[ast.stmt]) -> None:
    """Note what the statements of a module's own level do."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                _note_object(source, name, call, node.lineno)
            case ast.Assign(
                targets=[ast.Tuple(elts=[ast.Name(id=name), *_])], value=ast.Call() as call
            ):
                _note_object(source, name, call, node.lineno)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call):
                _note_object(source, name, call, node.lineno)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute() as value):
                _note_attribute(source, name, value, node.lineno)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                _note_function(source, node)
            case ast.If(test=test) if _is_guard(test):
                source.guard = node.lineno
            case ast.If(body=inner, orelse=other):
                _note_body(source, inner)
                _note_body(source, other)
            case ast.Expr(value=ast.Call() as call):
                source.runs.append((full_name(source, call.func), node.lineno))
            case ast.Try(body=inner) | ast.With(body=inner):
                _note_body(source, inner)
            case _:
                pass


def _note_object(source: Source, name: str, call: ast.Call, line: int) -> None:
    made = full_name(source, call.func)
    kind = MAKERS.get(made, "")
    if not kind and (_FACTORY.fullmatch(made.rpartition(".")[2]) or name in _APP_NAMES):
        kind = f"={made}"  # what that makes is looked up later
    if kind:
        source.objects.append(AppObject(source.path, source.module, name, kind, line))


def _note_attribute(source: Source, name: str, value: ast.Attribute, line: int) -> None:
    """Note ``server = app.server``, which is Dash's way to its Flask."""
    if value.attr == "server" and isinstance(value.value, ast.Name):
        for known in source.objects:
            if known.name == value.value.id and known.kind == "dash":
                source.objects.append(AppObject(source.path, source.module, name, "flask", line))
                return


def _note_function(source: Source, node: ast.stmt) -> None:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = [argument.arg for argument in node.args.args]
    needed = arguments[: len(arguments) - len(node.args.defaults)]
    source.functions[node.name] = (node.lineno, tuple(needed))
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and (kind := MAKERS.get(full_name(source, inner.func))):
            source.makes.setdefault(node.name, kind)
        elif isinstance(inner, ast.Return) and isinstance(inner.value, ast.Call):
            source.returned[node.name] = full_name(source, inner.value.func)
    is_wsgi = needed == ["environ", "start_response"] or (
        len(needed) == 2 and needed[1] == "start_response"
    )
    if is_wsgi:
        source.objects.append(AppObject(source.path, source.module, node.name, "wsgi", node.lineno))
    elif needed == ["scope", "receive", "send"] and isinstance(node, ast.AsyncFunctionDef):
        source.objects.append(AppObject(source.path, source.module, node.name, "asgi", node.lineno))
    decorated = {full_name(source, d) for d in node.decorator_list}
    if decorated & {"functions_framework.http", "functions_framework.cloud_event"}:
        source.makes[node.name] = "functions-framework"


def _is_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )


def full_name(source: Source, node: ast.expr) -> str:
    """Return what *node* names, its first part resolved by the imports; "" if it is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call):
        inner = full_name(source, node.func)
        return ".".join([f"{inner}()", *reversed(parts)])
    if not isinstance(node, ast.Name):
        return ""
    first = source.names.get(node.id, node.id)
    return ".".join([first, *reversed(parts)])


def _value(source: Source, node: ast.expr) -> object:
    """Return a literal, the variable of the environment that is read, or None."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    if isinstance(node, ast.Tuple):
        return tuple(_value(source, item) for item in node.elts)
    if isinstance(node, ast.Name):
        return source.values.get(node.id)
    if isinstance(node, ast.Attribute):
        return source.values.get(ast.unparse(node))
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "int" and node.args:
        return _value(source, node.args[0])
    return variable_read(node)


class Variable(Struct, frozen=True):
    """A variable of the environment that is read; *default* is None where it has none."""

    name: str
    default: object = None
    is_needed: bool = False


def variable_read(node: ast.expr) -> Variable | None:
    """Return the variable that *node* reads, also within ``int(...)`` or ``... or 8000``."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        inner = variable_read(node.values[0])
        return Variable(inner.name, _literal(node.values[-1])) if inner else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        if ast.unparse(node.value).endswith("environ"):
            return Variable(str(node.slice.value), None, True)
        return None
    if not isinstance(node, ast.Call):
        return None
    called = ast.unparse(node.func)
    if called in ("int", "str", "bool", "float") and node.args:
        return variable_read(node.args[0])
    is_environ = called.endswith(("environ.get", "getenv", "environ.setdefault"))
    is_reader = called in ("env", "config", "decouple.config") or re.fullmatch(
        r"env\.(str|int|bool|list|url|db|db_url|cache_url|float|json|dj_db_url)", called
    )
    if not (is_environ or is_reader) or not node.args:
        return None
    name = _literal(node.args[0])
    if not isinstance(name, str):
        return None
    defaults = [_literal(arg, known=True) for arg in node.args[1:2]]
    defaults += [
        _literal(w.value, known=True) for w in node.keywords if w.arg in ("default", "cast_default")
    ]
    return Variable(name, defaults[0] if defaults else None, bool(is_reader) and not defaults)


def _literal(node: ast.expr, *, known: bool = False) -> object:
    """Return the literal *node*; for another one None, or "" where any value counts (*known*)."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return "" if known else None


def variables_read(text: str) -> Iterator[Variable]:
    """Yield the variables of the environment that a source reads."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and (found := variable_read(node)):
            yield found


def in_package(app: AppFolder, path: str) -> bool:
    """Whether the module in *path* is part of a package, so that it runs by its dotted name."""
    folder = posixpath.dirname(path)
    return bool(folder) and app.has(f"{folder}/__init__.py")

"""What the shape test looks for: each rule takes a module's path and its syntax tree and returns its faults as sentences."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePath

LONGEST_MODULE = 500
LONGEST_FUNCTION = 50
MOST_PARAMETERS = 6

# The one file that may do it.
COMMITS = "kernel/database.py"
CLOCK = "kernel/clock.py"
ENVIRONMENT = "server/environment.py"

NAMELESS = {
    "base", "common", "core", "data", "handler", "handlers", "helper", "helpers", "impl", "info", "manager", "managers", "misc",
    "util", "utils",
}  # fmt: skip
CLOCK_READS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("time", "time"), ("time", "time_ns"), ("time", "gmtime"), ("time", "localtime"),
}  # fmt: skip
ENVIRONMENT_READS = {"environ", "environb", "getenv", "putenv"}
ROUTES = {"route", "get", "post", "put", "patch", "delete"}
DECLARATIONS = {"public", "public_file", "without_visit", "customer", "staff", "logged_in", "enrolling"}

# Where statements hold other ones.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def faults_of_shape(path: PurePath, source: str) -> Iterator[str]:
    """Find what is too long, has too many parameters or says nothing by its name."""
    if (lines := source.count("\n")) > LONGEST_MODULE:
        yield f"{path}: {lines} lines"
    for name in {*path.parts[:-1], path.stem} & NAMELESS:
        yield f"{path}: `{name}` says nothing"
    for function in _functions(source):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > LONGEST_FUNCTION:
            yield f"{path}:{function.lineno}: {function.name} has {lines} lines"
        if (count := len(_parameters(function))) > MOST_PARAMETERS:
            yield f"{path}:{function.lineno}: {function.name} takes {count} parameters"


def faults_of_imports(path: PurePath, source: str) -> Iterator[str]:
    """Find imports inside functions: they hide cycles."""
    for function in _functions(source):
        for node in _statements(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{path}:{node.lineno}: import inside {function.name}"


def faults_of_places(path: PurePath, source: str) -> Iterator[str]:
    """Find commits, readings of the clock and of the environment outside of the one file where each belongs."""
    for node in ast.walk(_tree(source)):
        for deed, place in _deeds(node):
            if path.as_posix() != place:
                yield f"{path}:{node.lineno}: {deed} belongs in {place}"  # type: ignore[attr-defined]


def faults_of_routes(path: PurePath, source: str) -> Iterator[str]:
    """Find routes that do not declare, in exactly one way, who may use them (`webui/guard.py`)."""
    for function in _functions(source):
        calls = [node for node in function.decorator_list if isinstance(node, ast.Call)]
        if not any(isinstance(call.func, ast.Attribute) and call.func.attr in ROUTES for call in calls):
            continue
        names = [_last_name(node.func if isinstance(node, ast.Call) else node) for node in function.decorator_list]
        if sum(name in DECLARATIONS for name in names) != 1:
            yield f"{path}:{function.lineno}: {function.name} does not declare who may use it"


def tables_of(source: str) -> set[str]:
    """Return the names of the classes that are tables."""
    classes = [node for node in _statements(_tree(source)) if isinstance(node, ast.ClassDef)]
    return {node.name for node in classes if any(_assigns(statement, "__tablename__") for statement in node.body)}


def faults_of_tables(path: PurePath, source: str, owners: dict[str, str]) -> Iterator[str]:
    """Find tables of another room; `owners` are the rooms by the table's class.

    The kernel's are everybody's: it serves every room and knows none.
    """
    for node in _statements(_tree(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            room = node.module.split(".")[0]
            for name in [alias.name for alias in node.names]:
                if owners.get(name) == room and room not in {path.parts[0], "kernel"}:
                    yield f"{path}:{node.lineno}: the table {name} belongs to {room}"


@lru_cache(maxsize=1)
def _tree(source: str) -> ast.Module:
    """Return a module's tree: one rule after the other asks for the same one."""
    return ast.parse(source)


def _functions(source: str) -> list[Function]:
    return [node for node in _statements(_tree(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below one, without the expressions in them, in which there is no other: most of a tree."""
    below = [tree]
    while below:
        node = below.pop()
        for name in _BLOCKS:
            for one in getattr(node, name, ()):
                below.append(one)
                yield one


def _parameters(function: Function) -> list[str]:
    arguments = function.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _deeds(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Attribute(attr="commit")):
            yield "commit", COMMITS
        case ast.Attribute(value=owner, attr=attribute) if (_last_name(owner), attribute) in CLOCK_READS:
            yield f"{_last_name(owner)}.{attribute}", CLOCK
        case ast.Attribute(value=ast.Name("os"), attr=attribute) if attribute in ENVIRONMENT_READS:
            yield f"os.{attribute}", ENVIRONMENT
        case ast.ImportFrom(module="time", names=names) if {("time", alias.name) for alias in names} & CLOCK_READS:
            yield "the clock", CLOCK
        case ast.ImportFrom(module="os", names=names) if {alias.name for alias in names} & ENVIRONMENT_READS:
            yield "the environment", ENVIRONMENT
        case ast.ImportFrom(module="datetime" | "time" | "os", names=names) if any(alias.asname for alias in names):
            yield "hiding clock or environment behind another name", CLOCK


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def _assigns(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)]):
            return target == name
        case ast.AnnAssign(target=ast.Name(id=target)):
            return target == name
    return False

"""The awaits in the services' source that lead to something that lasts.

They are the awaits of calls that write to a collection, publish or hand a mail over, and of calls of functions
that have such an await: who is called follows from annotations. A call that says nothing of its receiver and has the
name of such a one counts, so that what cannot be told is asked for and not passed over.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from pymongo.asynchronous.collection import AsyncCollection

from support.places import ROOT, RUNTIME, End

SERVICES = tuple(sorted(path.name for path in (ROOT / "services").iterdir() if path.is_dir()))

READS = frozenset({"find", "find_one", "count_documents", "estimated_document_count", "distinct"})
"""Whatever else is called on a collection counts as a write."""
_WRITES = frozenset(
    name for name, each in vars(AsyncCollection).items()
    if inspect.iscoroutinefunction(each) and name not in READS and "index" not in name
)  # fmt: skip
_LASTING = frozenset({("Kafka", "publish"), ("MailServer", "send"), ("", "Publish"), ("", "DeadLetters")})
"""What lasts besides writes: methods by class, and calls of what has one of these types."""


@dataclass(frozen=True, order=True, slots=True)
class Awaiting:
    """An await, or a call that is gathered with others, of something that lasts."""

    file: str
    line: int
    function: str
    end: End

    @property
    def where(self) -> str:
        """The function it is in."""
        return f"{self.file} {self.function}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.function})"


@dataclass
class _Class:
    bases: list[str]
    functions: dict[str, ast.AST]
    types: dict[str, str] = field(default_factory=dict)


Env = dict[str, str]
_Callee = tuple[str | None, str]
"""A class and its method; no name of a class for a function, None for an object of which nothing is known."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class _Body:
    """A function and what is known of the names in it."""

    file: str
    name: str
    key: _Callee
    found: Sequence[tuple[ast.expr, set[_Callee]]]
    """Each await and each call, with what is called."""


class Source:
    """One service's code with the runtime's."""

    def __init__(self, service: str) -> None:
        self._classes: dict[str, _Class] = {}
        self._functions: dict[str, _Function] = {}
        self._bodies: list[_Body] = []
        modules = [
            (str(path.relative_to(ROOT)), ast.parse(path.read_text()))
            for folder in (f"services/{service}/{service}", RUNTIME)
            for path in sorted((ROOT / folder).rglob("*.py"))
        ]
        for _, module in modules:
            self._declare(module)
        for _, module in modules:
            for each in ast.walk(module):
                if isinstance(each, ast.ClassDef):
                    self._type_attributes(each)
        for file, module in modules:
            self._enter(file, module, "", {}, "")

    def awaits(self) -> set[Awaiting]:
        """Those that lead to something that lasts."""
        bodies = [body for body in self._bodies if body.key not in _LASTING]
        leading: set[_Callee] = set()
        while True:
            found = [
                (body, node)
                for body in bodies
                for node, callees in body.found
                if any(map(_lasts, callees)) or (isinstance(node, ast.Await) and callees & leading)
            ]
            if leading >= (keys := {body.key for body, _ in found}):
                return {_awaiting(body, node) for body, node in found}
            leading |= keys

    def _declare(self, module: ast.Module) -> None:
        for each in ast.walk(module):
            if isinstance(each, ast.ClassDef):
                methods = {inner.name: inner for inner in each.body if isinstance(inner, _Function)}
                self._classes[each.name] = _Class([_named(base) or "" for base in each.bases], dict(methods))
        self._functions |= {each.name: each for each in module.body if isinstance(each, _Function)}

    def _type_attributes(self, node: ast.ClassDef) -> None:
        """From annotations, and from what `__init__` puts there."""
        types = self._classes[node.name].types
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                types[each.target.id] = _named(each.annotation) or ""
        begin = self._classes[node.name].functions.get("__init__")
        if isinstance(begin, _Function):
            known = _parameters(begin, {})
            for inner in ast.walk(begin):
                target, annotation, value = _assigned(inner)
                if isinstance(target, ast.Attribute):
                    types[target.attr] = _named(annotation) or (value and self._type(value, known)) or ""

    def _enter(self, file: str, node: ast.AST, owner: str, env: Env, path: str) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.ClassDef):
                self._enter(file, each, each.name, {**env, "self": each.name}, f"{path}{each.name}.")
            elif isinstance(each, _Function):
                known = env | _parameters(each, env)
                own = list(_own(each))
                for inner in own:
                    target, annotation, value = _assigned(inner)
                    if isinstance(target, ast.Name) and value:
                        known[target.id] = _named(annotation) or self._type(value, known) or ""
                found = [(node, self._called(node, known)) for node in own if isinstance(node, ast.Await | ast.Call)]
                self._bodies.append(_Body(file, path + each.name, (owner, each.name), found))
                self._enter(file, each, "", known, f"{path}{each.name}.")
            else:
                self._enter(file, each, owner, env, path)

    def _called(self, node: ast.Await | ast.Call, env: Env) -> set[_Callee]:
        if isinstance(node, ast.Call):
            return {self._callee(node, env)}
        return {self._callee(call, env) for call in _own(node.value) if isinstance(call, ast.Call)}

    def _callee(self, call: ast.Call, env: Env) -> _Callee:
        match call.func:
            case ast.Name(name):
                return "", env.get(name) or name
            case ast.Attribute(value, name):
                owner = self._type(value, env)
                if owner and (found := self._member(owner, lambda each: each.types.get(name))):
                    return "", found
                return self._owner(owner, name) if owner else None, name
        return "", ""

    def _owner(self, owner: str, name: str) -> str:
        """The class that has the method, which may be a base."""
        return self._member(owner, lambda each: next(
            (known for known, one in self._classes.items() if one is each and name in each.functions), None
        )) or owner  # fmt: skip

    def _member(self, owner: str, find: Callable[[_Class], str | None]) -> str | None:
        known = self._classes.get(owner)
        if known is None:
            return None
        return find(known) or next((found for base in known.bases if (found := self._member(base, find))), None)

    def _type(self, node: ast.expr, env: Env) -> str | None:
        match node:
            case ast.Name(name):
                return env.get(name)
            case ast.Await(value):
                return self._type(value, env)
            case ast.Attribute(value, name):
                owner = self._type(value, env)
                return self._member(owner, lambda each: each.types.get(name)) if owner else None
            case ast.Call():
                owner, name = self._callee(node, env)
                if not owner and name in self._classes:
                    return name
                made = self._classes[owner].functions.get(name) if owner in self._classes else None
                made = made or (None if owner else self._functions.get(name))
                return _named(made.returns) if isinstance(made, _Function) else None
            case ast.Subscript():
                return _named(node)
        return None


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """A function's nodes without those of functions in it; an expression's without those of awaits in it.

    What is in a lambda belongs to the expression that hands it to somebody, who calls it.
    """
    if isinstance(node, ast.expr):
        yield from _walk(node, but=ast.Await)
    else:
        for each in ast.iter_child_nodes(node):
            yield from _walk(each, but=ast.Lambda)


def _walk(node: ast.AST, *, but: type[ast.AST]) -> Iterator[ast.AST]:
    if isinstance(node, _Function | ast.ClassDef | but):
        return
    yield node
    for each in ast.iter_child_nodes(node):
        yield from _walk(each, but=but)


def _lasts(callee: _Callee) -> bool:
    owner, name = callee
    if owner is None:
        return name in _WRITES or name.strip("_") == "publish"
    return callee in _LASTING or (owner == "Collection" and name in _WRITES)


def _awaiting(body: _Body, node: ast.expr) -> Awaiting:
    end = (body.file, node.end_lineno or 0, node.end_col_offset or 0)
    return Awaiting(body.file, node.lineno, body.name, end)


def _assigned(node: ast.AST) -> tuple[ast.expr | None, ast.expr | None, ast.expr | None]:
    """What is assigned to, its annotation, and what is assigned."""
    match node:
        case ast.Assign([target], value):
            return target, None, value
        case ast.AnnAssign(target, annotation, value):
            return target, annotation, value
    return None, None, None


def _parameters(function: _Function, env: Env) -> Env:
    """The types of a function's parameters; `env` knows what other names stand for."""
    given = function.args
    return {each.arg: env.get(named, named) for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)
            if (named := _named(each.annotation))}  # fmt: skip


def _named(annotation: ast.expr | None) -> str | None:
    """A type's own name: of an optional one's, what it is if it is there; of an annotated one's, the first."""
    match annotation:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
        case ast.BinOp(left, ast.BitOr(), _):
            return _named(left)
        case ast.Subscript(ast.Name("Annotated"), ast.Tuple([first, *_])):
            return _named(first)
    return None


@cache
def in_source() -> dict[End, Awaiting]:
    """Those of all services that lead to something that lasts, by where they end."""
    return {each.end: each for service in SERVICES for each in Source(service).awaits()}

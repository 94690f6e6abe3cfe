"""What to write instead, in an `async def` that called what only synchronous code may call."""

import ast
import inspect
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import FrameType, TracebackType
from typing import Final, TypeAlias

from django.core.exceptions import SynchronousOnlyOperation

from .failures import chain_of, is_library

_QUERYSET: Final = {"aggregate", "contains", "count", "delete", "exists", "explain", "in_bulk", "update"}
_ONE: Final = {"earliest", "first", "get", "last", "latest"}
_MANAGER: Final = {"add", "bulk_create", "bulk_update", "clear", "create", "get_or_create", "remove", "set"}
_MODEL: Final = {"refresh_from_db", "save", "update_or_create"}
_SESSION: Final = {"cycle_key", "flush", "pop", "setdefault"}
_METHODS: Final = _QUERYSET | _ONE | _MANAGER | _MODEL | _SESSION
"""Methods that have a twin whose name begins with "a"."""

_FUNCTIONS: Final[Mapping[str, str]] = {
    "get_object_or_404": "django_fastapi.shortcuts",
    "get_list_or_404": "django_fastapi.shortcuts",
    "authenticate": "django.contrib.auth",
    "login": "django.contrib.auth",
    "logout": "django.contrib.auth",
    "update_session_auth_hash": "django.contrib.auth",
}
"""Functions that have such a twin, and where it is."""

_RETURN_IT: Final = "return the queryset: the response model is filled on the request's thread"
_COROUTINE: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

_Position: TypeAlias = tuple[int | None, int | None, int | None, int | None]
_Place: TypeAlias = tuple[FrameType, int, _Position]


@dataclass(frozen=True, slots=True)
class Hint:
    """How to mend a line.

    Args:
        file: Its file.
        line: Its number.
        code: The expression in it that cannot run on the event loop.
        cures: What can be done, in sentences without a beginning: each goes on after "you can".
    """

    file: str
    line: int
    code: str
    cures: Sequence[str]


def find_hint(error: BaseException) -> Hint | None:
    """Return how to mend the line of an `async def` that called synchronous code of Django's.

    Args:
        error: The exception. There is a hint if it is a `SynchronousOnlyOperation`, or comes from one.
    """
    for one in chain_of(error):
        # The subclasses are this package's own, and tell the cure themselves.
        if type(one) is SynchronousOnlyOperation and (places := _places(one.__traceback__)):
            awaiting = [index for index, place in enumerate(places) if place[0].f_code.co_flags & _COROUTINE]
            index = awaiting[-1] if awaiting else len(places) - 1
            return _hint(places[index], is_direct=index == len(places) - 1)
    return None


def _places(traceback: TracebackType | None) -> list[_Place]:
    """Return the lines of the project's own code, the outermost first."""
    places: list[_Place] = []
    while traceback is not None:
        frame = traceback.tb_frame
        if not is_library(frame):
            positions = islice(frame.f_code.co_positions(), traceback.tb_lasti // 2, None)
            places.append((frame, traceback.tb_lineno, next(positions, (None, None, None, None))))
        traceback = traceback.tb_next
    return places


def _hint(place: _Place, *, is_direct: bool) -> Hint:
    frame, line, position = place
    file, name = frame.f_code.co_filename, frame.f_code.co_name
    source = "".join(linecache.getlines(file, frame.f_globals))
    found = _find(source, position)
    if found is None:
        code, cures = linecache.getline(file, line, frame.f_globals).strip(), []
    else:
        code = ast.get_source_segment(source, found[0]) or ""
        cures = _Cure(source, *found).find() if is_direct else _Cure(source, *found).wrap()
    if frame.f_code.co_flags & _COROUTINE:
        cures = [*cures, f"make `{name}` a plain `def`: it runs on the request's thread, where this is allowed"]
    else:
        cures = [*cures, f"make the `async def` that leads to `{name}` a plain `def`"]
    return Hint(file, line, code, cures)


def _find(source: str, position: _Position) -> tuple[ast.expr, ast.AST | None] | None:
    """Return the expression at a position of the bytecode, and the node around it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    line, end_line, column, end_column = position
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt)]
    ending = [node for node in nodes if (node.end_lineno, node.end_col_offset) == (end_line, end_column)]
    exact = [node for node in ending if (node.lineno, node.col_offset) == (line, column)]
    # In a chain over several lines, the position of a method begins at its name.
    chained = [node for node in ending if isinstance(node, ast.Call | ast.Attribute)]
    chosen = next((node for node in (*exact[::-1], *chained)), None)
    around = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return None if chosen is None else _narrow(chosen, around.get(id(chosen)))


def _narrow(node: ast.AST, parent: ast.AST | None) -> tuple[ast.expr, ast.AST | None] | None:
    """Return what is looped over, tested or entered: its position may be that of the whole statement."""
    if isinstance(node, ast.For):
        return _narrow(node.iter, node)
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return _narrow(node.generators[0].iter, node.generators[0])
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return _narrow(node.test, node)
    if isinstance(node, ast.UnaryOp):
        return _narrow(node.operand, node)
    if isinstance(node, ast.With):
        return node.items[0].context_expr, node.items[0]
    return (node, parent) if isinstance(node, ast.expr) else None


class _Cure:
    """What can be written in the place of an expression.

    Args:
        source: The text of the file.
        node: The expression.
        parent: The node around it.
    """

    def __init__(self, source: str, node: ast.expr, parent: ast.AST | None) -> None:
        self._source = source
        self._node = node
        self._parent = parent

    def find(self) -> list[str]:
        """Return what can be done about the expression itself, which was found to call Django."""
        node, parent = self._node, self._parent
        cures: list[str] = []
        if isinstance(node, ast.Call):
            cures = self._call(node)
        if isinstance(parent, ast.For | ast.comprehension) and parent.iter is node:
            cures = cures or self._loop(parent)
        elif isinstance(node, ast.Attribute):
            cures = self._attribute(node)
        elif isinstance(node, ast.Subscript):
            cures = self._subscript(node)
        else:
            cures = cures or self._test(node, parent)
        return cures or self.wrap()

    def wrap(self) -> list[str]:
        """Return how the expression can be run on the thread as it is."""
        if isinstance(self._node, ast.Call):
            call = self._node
            return [f"write `await sync_to_async({self._text(call.func)})({self._arguments(call)})`"]
        return [f"write `await sync_to_async(lambda: {self._text(self._node)})()`"]

    def _call(self, call: ast.Call) -> list[str]:
        function, arguments = call.func, self._arguments(call)
        if isinstance(self._parent, ast.withitem):
            return ["give the route `dependencies=[django_fastapi.atomic()]` in the place of the `with` block"]
        if isinstance(function, ast.Attribute) and function.attr in _METHODS:
            return [f"write `await {self._text(function.value)}.a{function.attr}({arguments})`"]
        if not isinstance(function, ast.Name):
            return []
        if function.id in _FUNCTIONS:
            twin = f"a{function.id}"
            return [f"write `await {twin}({arguments})`, with `from {_FUNCTIONS[function.id]} import {twin}`"]
        if function.id in ("list", "tuple", "set", "sorted"):
            return [f"write `[one async for one in {arguments}]`", _RETURN_IT]
        return {"len": [f"write `await {arguments}.acount()`"], "bool": [f"write `await {arguments}.aexists()`"]}.get(
            function.id, []
        )

    def _test(self, node: ast.expr, parent: ast.AST | None) -> list[str]:
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            word = "not " if isinstance(node.ops[0], ast.NotIn) else ""
            return [f"write `{word}await {self._text(node.comparators[0])}.acontains({self._text(node.left)})`"]
        if isinstance(parent, ast.If | ast.While | ast.IfExp | ast.UnaryOp):
            return [f"write `await {self._text(node)}.aexists()`"]
        return []

    def _loop(self, loop: ast.For | ast.comprehension) -> list[str]:
        rows = self._text(loop.iter).replace(".iterator(", ".aiterator(")
        return [f"write `async for {self._text(loop.target)} in {rows}`", _RETURN_IT]

    def _attribute(self, attribute: ast.Attribute) -> list[str]:
        owner, name = attribute.value, attribute.attr
        if isinstance(owner, ast.Attribute) and owner.attr == "user":
            return [f"write `(await {self._text(owner.value)}.auser()).{name}`"]
        return [
            f'load `{self._text(owner)}` with `select_related("{name}")`',
            f"return `{self._text(owner)}` itself, with a field `{name}` in the schema of the response",
        ]

    def _subscript(self, subscript: ast.Subscript) -> list[str]:
        rows, index = subscript.value, subscript.slice
        if isinstance(rows, ast.Attribute) and rows.attr == "session":
            return [f"write `await {self._text(rows)}.aget({self._text(index)})`"]
        if isinstance(index, ast.Constant) and index.value == 0:
            return [f"write `await {self._text(rows)}.afirst()`"]
        return [f"write `[one async for one in {self._text(rows)}][{self._text(index)}]`"]

    def _arguments(self, call: ast.Call) -> str:
        return ", ".join(self._text(argument) for argument in (*call.args, *call.keywords))

    def _text(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._source, node) or ""

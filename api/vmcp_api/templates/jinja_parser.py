"""The Jinja form: its library reads the syntax, and what is good for values that JSON knows is taken over.

Nothing of the library evaluates anything: its sandbox bounds neither time nor memory (ADR-0052).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from vmcp_api.templates import nodes as ours
from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.functions import FILTERS, GLOBALS, TESTS, takes
from vmcp_api.templates.statements import Assign, Body, Branches, Loop, Output, Statement, Text

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

MOST_LEVELS: Final = 100
"""How deep an expression may be; each operator of a chain is a level."""

_ARITHMETIC: Final = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%"}
_NEGATIVE: Final = {"Neg": -1, "Pos": 1}
_TABLES: Final = {"Filter": (FILTERS, "filter"), "Test": (TESTS, "test"), "Call": (GLOBALS, "function")}
_environments: "list[Environment]" = []


def parse_jinja(text: str) -> Body:
    """The statements of a template in the Jinja form.

    Raises:
        TemplateError: it cannot be read, or has what is not supported here.
    """
    # Imported where there is a template: it is of no use to most.
    from jinja2 import Environment, TemplateSyntaxError  # noqa: PLC0415, RUF100

    if not _environments:
        _environments.append(Environment(keep_trailing_newline=True))  # noqa: S701 - nothing is rendered by it
    try:
        tree = _environments[0].parse(text)
        return _Converter().body(tree.body)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{error.message or 'the syntax is wrong'} (line {error.lineno})") from None
    except RecursionError:
        raise TemplateError("expressions are nested too deeply") from None


class _Converter:
    """Takes a syntax tree over; `known` are the names that the template itself has given values."""

    def __init__(self) -> None:
        self._known: list[set[str]] = [{"loop"}]
        self._levels = 0

    def body(self, statements: "Iterable[nodes.Node]") -> Body:
        return tuple(each for statement in statements for each in self._statement(statement))

    def _statement(self, node: "nodes.Node") -> Iterable[Statement]:
        match type(node).__name__:
            case "Output":
                return [self._output(each) for each in _children(node, "nodes")]
            case "If":
                return [self._branches(node)]
            case "For":
                return [self._loop(node)]
            case "Assign" if type(_child(node, "target")).__name__ == "Name":
                name = _text(_child(node, "target"), "name")
                expression = self._expression(_child(node, "node"))
                self._known[-1].add(name)
                return [Assign(name, expression)]
        raise _unsupported(node)

    def _output(self, node: "nodes.Node") -> Statement:
        if type(node).__name__ == "TemplateData":
            return Text(_text(node, "data"))
        return Output(self._expression(node))

    def _branches(self, node: "nodes.Node") -> Statement:
        tests = [node, *_children(node, "elif_")]
        branches = [(self._expression(_child(each, "test")), self.body(_children(each, "body"))) for each in tests]
        return Branches(tuple(branches), self.body(_children(node, "else_")))

    def _loop(self, node: "nodes.Node") -> Statement:
        if getattr(node, "recursive", False):
            raise _unsupported(node)
        over = self._expression(_child(node, "iter"))
        target = _child(node, "target")
        is_unpacking = type(target).__name__ == "Tuple"
        targets = _children(target, "items") if is_unpacking else [target]
        if not all(type(each).__name__ == "Name" for each in targets):
            raise _unsupported(target)
        names = tuple(_text(each, "name") for each in targets)
        self._known.append({*self._known[-1], *names})
        test = getattr(node, "test", None)
        only = None if test is None else self._expression(test)
        body = self.body(_children(node, "body"))
        self._known.pop()
        return Loop(names, over, body, self.body(_children(node, "else_")), only, is_unpacking)

    def _expression(self, node: "nodes.Node") -> ours.Expression:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise TemplateError(f"an expression has more than {MOST_LEVELS} levels (line {node.lineno})")
        expression = self._converted(node)
        self._levels -= 1
        return expression

    def _converted(self, node: "nodes.Node") -> ours.Expression:  # noqa: C901, PLR0911, PLR0912 - one case for each class
        kind = type(node).__name__
        match kind:
            case "Const":
                return ours.Literal(_constant(node))
            case "TemplateData":
                return ours.Literal(_text(node, "data"))
            case "Name":
                name = _text(node, "name")
                return ours.Variable(name) if name in self._known[-1] else ours.Member(ours.Scope(), ours.Literal(name))
            case "Getattr":
                return ours.Member(self._expression(_child(node, "node")), ours.Literal(_text(node, "attr")))
            case "Getitem" if type(_child(node, "arg")).__name__ != "Slice":
                return ours.Member(self._expression(_child(node, "node")), self._expression(_child(node, "arg")))
            case "And" | "Or":
                parts = (self._expression(_child(node, "left")), self._expression(_child(node, "right")))
                return ours.And(parts) if kind == "And" else ours.Or(parts)
            case "Not":
                return ours.Not(self._expression(_child(node, "node")))
            case "Compare":
                others = tuple(
                    (_text(each, "op"), self._expression(_child(each, "expr"))) for each in _children(node, "ops")
                )
                return ours.Compare(self._expression(_child(node, "expr")), others)
            case "CondExpr":
                return self._choice(node)
            case "Concat":
                return ours.Joined(self._all(node, "nodes"))
            case "List" | "Tuple":
                return ours.Array(self._all(node, "items"))
            case "Dict":
                pairs = _children(node, "items")
                return ours.Object(
                    tuple((self._expression(_child(p, "key")), self._expression(_child(p, "value"))) for p in pairs)
                )
            case "Filter" | "Test" | "Call":
                return self._call(node)
        if kind in _NEGATIVE:
            return ours.Arithmetic("*", ours.Literal(_NEGATIVE[kind]), self._expression(_child(node, "node")))
        if kind in _ARITHMETIC:
            left, right = self._expression(_child(node, "left")), self._expression(_child(node, "right"))
            return ours.Arithmetic(_ARITHMETIC[kind], left, right)
        raise _unsupported(node)

    def _all(self, node: "nodes.Node", field: str) -> tuple[ours.Expression, ...]:
        return tuple(map(self._expression, _children(node, field)))

    def _choice(self, node: "nodes.Node") -> ours.Expression:
        negative = getattr(node, "expr2", None)
        otherwise = ours.Literal("") if negative is None else self._expression(negative)
        return ours.Choice(self._expression(_child(node, "test")), self._expression(_child(node, "expr1")), otherwise)

    def _call(self, node: "nodes.Node") -> ours.Expression:
        if getattr(node, "dyn_args", None) is not None or getattr(node, "dyn_kwargs", None) is not None:
            raise _unsupported(node)
        table, subject = _TABLES[type(node).__name__]
        of = _child(node, "node")
        first: tuple[ours.Expression, ...] = ()
        if table is not GLOBALS:
            name, first = _text(node, "name"), (self._expression(of),)
        elif type(of).__name__ == "Name":
            name = _text(of, "name")
        else:
            raise TemplateError(f"values have no functions; use a filter (line {node.lineno})")
        function = table.get(name)
        if function is None:
            known = ", ".join(sorted(table))
            raise TemplateError(f"there is no {subject} {name!r}; there are {known} (line {node.lineno})")
        named = tuple(
            (_text(each, "key"), self._expression(_child(each, "value"))) for each in _children(node, "kwargs")
        )
        arguments = (*first, *self._all(node, "args"))
        if not takes(function, len(arguments), [key for key, _ in named]):
            raise TemplateError(f"the {subject} {name!r} does not take these arguments (line {node.lineno})")
        return ours.Call(name, function, arguments, named)


def _child(node: "nodes.Node", field: str) -> "nodes.Node":
    found: nodes.Node = getattr(node, field)
    return found


def _children(node: "nodes.Node", field: str) -> "list[nodes.Node]":
    found: list[nodes.Node] = getattr(node, field) or []
    return found


def _text(node: "nodes.Node", field: str) -> str:
    return str(getattr(node, field))


def _constant(node: "nodes.Node") -> object:
    value: Any = getattr(node, "value")  # noqa: B009 - the class is told by its name alone
    return value


def _unsupported(node: "nodes.Node") -> TemplateError:
    return TemplateError(f"{type(node).__name__.lower()!r} is not supported (line {node.lineno})")

"""What a template consists of, whichever syntax it was written in: expressions have a value."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.values import (
    ABSENT,
    Missing,
    checked,
    given,
    is_equal,
    is_less,
    is_true,
    member,
    number,
    text_of,
)

Function: TypeAlias = Callable[..., object]
"""Takes the budget, then what it is given in the template."""


@dataclass(slots=True)
class Frame:
    """Where an expression stands: the scope of the template, variables around it, and the dot of the Go form.

    Each variable is a list of one value, which inner places share.
    """

    scope: Mapping[str, object]
    budget: Budget
    variables: dict[str, list[object]] = field(default_factory=dict)
    dot: object = None


class Expression(Protocol):
    """Something with a value."""

    def evaluate(self, frame: Frame) -> object:
        """The value; a `Missing` where what it reads is not there.

        Raises:
            TemplateError: there is none.
        """


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that the author wrote.

    Raises:
        TemplateError: it is a number that is too large.
    """

    value: object

    def __post_init__(self) -> None:
        if isinstance(self.value, int | float):
            checked(self.value)

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        return self.value


@dataclass(frozen=True, slots=True)
class Scope:
    """All that a template can read."""

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        return frame.scope


@dataclass(frozen=True, slots=True)
class Dot:
    """What the innermost `range` or `with` of the Go form is about."""

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        return frame.dot


@dataclass(frozen=True, slots=True)
class Variable:
    """What the template itself has given a name."""

    name: str

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        known = frame.variables.get(self.name)
        return Missing(repr(self.name)) if known is None else known[0]


@dataclass(frozen=True, slots=True)
class Member:
    """What an object or array has under a key."""

    of: Expression
    key: Expression

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        found = member(self.of.evaluate(frame), given(self.key.evaluate(frame)))
        return Missing(described(self), path_of(self) or ()) if found is ABSENT else found


@dataclass(frozen=True, slots=True)
class Call:
    """A function of ours with what it is given."""

    name: str
    function: Function
    arguments: tuple[Expression, ...]
    named: tuple[tuple[str, Expression], ...] = ()

    takes_missing: ClassVar[frozenset[str]] = frozenset({"d", "default", "defined", "undefined", "eq", "ne"})

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        arguments = [each.evaluate(frame) for each in self.arguments]
        named = {name: each.evaluate(frame) for name, each in self.named}
        if self.name not in self.takes_missing:
            for each in (*arguments, *named.values()):
                given(each)
        return self.function(frame.budget, *arguments, **named)


@dataclass(frozen=True, slots=True)
class And:
    """The first value that is false, else the last."""

    parts: tuple[Expression, ...]

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        value: object = True
        for part in self.parts:
            value = part.evaluate(frame)
            if not is_true(value):
                break
        return value


@dataclass(frozen=True, slots=True)
class Or:
    """The first value that is true, else the last."""

    parts: tuple[Expression, ...]

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        value: object = False
        for part in self.parts:
            value = part.evaluate(frame)
            if is_true(value):
                break
        return value


@dataclass(frozen=True, slots=True)
class Not:
    """Whether a value is false."""

    of: Expression

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        return not is_true(self.of.evaluate(frame))


@dataclass(frozen=True, slots=True)
class Compare:
    """Whether each value stands to the next as its operator says."""

    first: Expression
    others: tuple[tuple[str, Expression], ...]

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        left = self.first.evaluate(frame)
        for operator, expression in self.others:
            right = expression.evaluate(frame)
            if not holds(operator, left, right, frame.budget):
                return False
            left = right
        return True


def holds(operator: str, left: object, right: object, budget: Budget) -> bool:
    """Whether two values stand to each other as an operator says, in the words of Jinja's syntax tree.

    Raises:
        TemplateError: they cannot be compared.
    """
    compare = _COMPARISONS.get(operator)
    if compare is None:
        raise TemplateError(f"{operator!r} is not known here")
    return compare(left, right, budget)


def _contains(whole: object, part: object, budget: Budget) -> bool:
    part = given(part)
    match given(whole):
        case str() as text if isinstance(part, str):
            budget.take(len(text))
            return part in text
        case Mapping() as found:
            return isinstance(part, str) and part in found
        case list() | tuple() as items:
            return _is_among(part, items, budget)
    raise TemplateError("only strings, arrays and objects contain something")


def _is_among(part: object, items: Sequence[object], budget: Budget) -> bool:
    for each in items:
        budget.look(1)
        if is_equal(each, part, budget):
            return True
    return False


_COMPARISONS: Final[Mapping[str, Callable[[object, object, Budget], bool]]] = {
    "eq": is_equal,
    "ne": lambda left, right, budget: not is_equal(left, right, budget),
    "lt": is_less,
    "gt": lambda left, right, budget: is_less(right, left, budget),
    "lteq": lambda left, right, budget: not is_less(right, left, budget),
    "gteq": lambda left, right, budget: not is_less(left, right, budget),
    "in": lambda left, right, budget: _contains(right, left, budget),
    "notin": lambda left, right, budget: not _contains(right, left, budget),
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers and an operator; `+` joins two texts as well."""

    operator: str
    left: Expression
    right: Expression

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        left, right = given(self.left.evaluate(frame)), given(self.right.evaluate(frame))
        if self.operator == "+" and isinstance(left, str) and isinstance(right, str):
            frame.budget.take(len(left) + len(right))
            return left + right
        what = f"each side of {self.operator!r}"
        try:
            return checked(_OPERATORS[self.operator](number(left, what), number(right, what)))
        except (ZeroDivisionError, OverflowError):
            raise TemplateError(f"{self.operator!r} has no result for these numbers") from None


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], int | float]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": lambda left, right: left % right,
}


@dataclass(frozen=True, slots=True)
class Joined:
    """Values written one behind the other."""

    parts: tuple[Expression, ...]

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        texts = [text_of(part.evaluate(frame), frame.budget) for part in self.parts]
        frame.budget.take(sum(map(len, texts)))
        return "".join(texts)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two values."""

    test: Expression
    positive: Expression
    negative: Expression

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        chosen = self.positive if is_true(self.test.evaluate(frame)) else self.negative
        return chosen.evaluate(frame)


@dataclass(frozen=True, slots=True)
class Array:
    """An array that the template makes."""

    items: tuple[Expression, ...]

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        return [given(item.evaluate(frame)) for item in self.items]


@dataclass(frozen=True, slots=True)
class Object:
    """An object that the template makes."""

    pairs: tuple[tuple[Expression, Expression], ...]

    def evaluate(self, frame: Frame) -> object:
        """See `Expression`."""
        frame.budget.step()
        found: dict[str, object] = {}
        for key, value in self.pairs:
            name = given(key.evaluate(frame))
            if not isinstance(name, str):
                raise TemplateError("the keys of an object are strings")
            found[name] = given(value.evaluate(frame))
        return found


def path_of(expression: object) -> tuple[str, ...] | None:
    """The keys by which an expression reads the scope; None where it is no plain path from there."""
    keys: list[str] = []
    while isinstance(expression, Member):
        key = expression.key
        if not isinstance(key, Literal) or isinstance(key.value, bool) or not isinstance(key.value, str | int):
            return None
        keys.append(str(key.value))
        expression = expression.of
    return tuple(reversed(keys)) if isinstance(expression, Scope) else None


def described(expression: Expression) -> str:
    """What an expression reads, in words for people who know the template."""
    path = path_of(expression)
    if path is not None:
        return repr(".".join(path))
    if isinstance(expression, Member):
        key = expression.key.value if isinstance(expression.key, Literal) else "…"
        return f"{key!r} of {described(expression.of)}" if key != "…" else f"such entry of {described(expression.of)}"
    return repr(expression.name) if isinstance(expression, Variable) else "what is read"


def paths_in(node: object) -> Iterator[tuple[str, ...]]:
    """The longest plain paths by which parts of a syntax tree read the scope; an empty one for all of it."""
    path = path_of(node)
    if path is not None:
        yield path
        return
    if isinstance(node, tuple):
        for part in node:
            yield from paths_in(part)
    elif is_dataclass(node) and not isinstance(node, type):
        for each in fields(node):
            yield from paths_in(getattr(node, each.name))

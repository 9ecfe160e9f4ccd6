"""What a template consists of besides expressions: texts, branches, loops."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.nodes import Expression, Frame
from vmcp_api.templates.values import given, is_true, text_of, type_name


class Statement(Protocol):
    """Something that writes to the text."""

    def run(self, frame: Frame, out: list[str]) -> None:
        """Appends what it writes.

        Raises:
            TemplateError: it cannot.
        """


Body: TypeAlias = tuple[Statement, ...]

_NAMED: Final = 8
"""Characters that are made in the time in which a variable is known once more."""


class BreakLoopError(Exception):
    """Leaves the innermost loop."""


class ContinueLoopError(Exception):
    """Goes on with the next turn of the innermost loop."""


def run_all(body: Body, frame: Frame, out: list[str]) -> None:
    """Runs one statement after the other.

    Raises:
        TemplateError: one of them cannot be run.
    """
    for statement in body:
        statement.run(frame, out)


def _inner(frame: Frame) -> Frame:
    """The same place with variables of its own: what is named inside is not known outside."""
    frame.budget.take(_NAMED * len(frame.variables))
    return replace(frame, variables=dict(frame.variables))


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside of everything."""

    text: str

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        frame.budget.step()
        frame.budget.take(len(self.text))
        out.append(self.text)


@dataclass(frozen=True, slots=True)
class Output:
    """The value of an expression, written out."""

    expression: Expression

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        text = text_of(self.expression.evaluate(frame), frame.budget)
        frame.budget.take(len(text))
        out.append(text)


@dataclass(frozen=True, slots=True)
class Assign:
    """Gives a value a name, or with `is_update` the name that is known around it another value."""

    name: str
    expression: Expression
    is_update: bool = False

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        del out
        frame.budget.step()
        value = given(self.expression.evaluate(frame))
        if not self.is_update:
            frame.variables[self.name] = [value]
        elif self.name in frame.variables:
            frame.variables[self.name][0] = value
        else:
            raise TemplateError(f"the variable {self.name!r} is not known here")


@dataclass(frozen=True, slots=True)
class Branches:
    """The first body whose test holds, else the last one."""

    branches: tuple[tuple[Expression, Body], ...]
    otherwise: Body

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        frame.budget.step()
        chosen = next((body for test, body in self.branches if is_true(test.evaluate(frame))), self.otherwise)
        run_all(chosen, frame, out)


@dataclass(frozen=True, slots=True)
class With:
    """A body whose dot, or variable, is a value that is true, else another body (Go form)."""

    expression: Expression
    variable: str | None
    body: Body
    otherwise: Body

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        frame.budget.step()
        value = self.expression.evaluate(frame)
        inner = _inner(frame)
        if not is_true(value):
            run_all(self.otherwise, inner, out)
            return
        inner.dot = value
        if self.variable is not None:
            inner.variables[self.variable] = [value]
        run_all(self.body, inner, out)


@dataclass(frozen=True, slots=True)
class Loop:
    """A body for each item of an array, each pair of an object, each number below another; a body for none.

    `names` are what a turn calls its key and its item, or parts of it (`is_unpacking`); the dot is the item. `only`
    tells which items count.
    """

    names: tuple[str, ...]
    over: Expression
    body: Body
    otherwise: Body
    only: Expression | None = None
    is_unpacking: bool = False

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        frame.budget.step()
        turns = [pair for pair in _pairs(self.over.evaluate(frame), frame.budget) if self._counts(frame, *pair)]
        if not turns:
            run_all(self.otherwise, _inner(frame), out)
        for index, pair in enumerate(turns):
            frame.budget.step()
            inner = self._turn(frame, *pair)
            inner.variables["loop"] = [_count(index, len(turns))]
            try:
                run_all(self.body, inner, out)
            except ContinueLoopError:
                continue
            except BreakLoopError:
                break

    def _counts(self, frame: Frame, key: object, item: object) -> bool:
        frame.budget.step()
        return self.only is None or is_true(self.only.evaluate(self._turn(frame, key, item)))

    def _turn(self, frame: Frame, key: object, item: object) -> Frame:
        """The place of one turn, which is made when it begins: each has the variables around it once more."""
        inner = _inner(frame)
        inner.dot = item
        inner.variables.update({name: [value] for name, value in self._named(key, item).items()})
        return inner

    def _named(self, key: object, item: object) -> Mapping[str, object]:
        if not self.is_unpacking:
            return dict(zip(self.names, (item,) if len(self.names) == 1 else (key, item), strict=False))
        if not isinstance(item, list | tuple) or len(item) != len(self.names):
            raise TemplateError(f"each item must be an array of {len(self.names)}")
        return dict(zip(self.names, item, strict=True))


def _count(index: int, length: int) -> Mapping[str, object]:
    return {
        "index": index + 1,
        "index0": index,
        "first": index == 0,
        "last": index == length - 1,
        "length": length,
    }


def _pairs(value: object, budget: Budget) -> Iterator[tuple[object, object]]:
    match given(value):
        case list() | tuple() as items:
            yield from enumerate(items)
        case Mapping() as found:
            budget.look(len(found))
            yield from sorted(found.items())
        case None:
            return
        case other:
            raise TemplateError(f"only arrays and objects can be looped over; this is {type_name(other)}")


@dataclass(frozen=True, slots=True)
class Leave:
    """Ends a loop, or a turn of it."""

    is_continue: bool

    def run(self, frame: Frame, out: list[str]) -> None:
        """See `Statement`."""
        del out
        frame.budget.step()
        raise ContinueLoopError if self.is_continue else BreakLoopError

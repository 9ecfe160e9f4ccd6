"""One rule between fields."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from vmcp_api.base import Model
from vmcp_api.manifests.problems import Loc

Finding: TypeAlias = tuple[Loc, str]
"""A place relative to the rule's model, and ``what is wrong; what to do``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on objects of one model.

    ``cel`` is evaluated on the object, on ``field`` of it (camelCase), or on each entry of that field when
    ``each`` is set; ``message`` is what the API server answers, about the field ``about`` of the object where
    there is one. ``find`` says the same in Python. CEL sees no field whose value may be any JSON: a rule on
    objects with such fields has ``form``, words of JSON Schema, instead, and the API server answers in its own words.
    """

    model: type[Model]
    cel: str
    message: str
    find: Callable[[Any], Iterable[Finding]]
    field: str = ""
    each: bool = False
    about: Loc = ()
    form: Mapping[str, Any] | None = None


def require(model: type[Model], loc: Loc, cel: str, message: str, holds: Callable[[Any], bool]) -> Rule:
    """A rule on whole objects that either holds or is broken at one place."""

    def find(value: Any) -> Iterator[Finding]:
        if not holds(value):
            yield loc, message

    return Rule(model=model, cel=cel, message=message, find=find, about=loc)


def require_each(
    model: type[Model],
    field: str,
    cel: str,
    message: str,
    holds: Callable[[str], bool],
    *,
    values: Callable[[Any], Iterable[str]],
) -> Rule:
    """A rule on every entry of a list of strings."""

    def find(value: Any) -> Iterator[Finding]:
        for index, entry in enumerate(values(value)):
            if not holds(entry):
                yield (field, index), message

    return Rule(model=model, cel=cel, message=message, find=find, field=field, each=True)


def require_form(model: type[Model], form: Mapping[str, Any], message: str, holds: Callable[[Any], bool]) -> Rule:
    """A rule on whole objects with fields of any JSON; ``form`` has a word of its own among the model's rules."""

    def find(value: Any) -> Iterator[Finding]:
        if not holds(value):
            yield (), message

    return Rule(model=model, cel="", message=message, find=find, form=form)

"""What templates may call: pure functions, each bounded by the budget before it makes something."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key, partial
from typing import Any, Final
from urllib.parse import quote as percent_encoded

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.nodes import Function, holds
from vmcp_api.templates.values import (
    ABSENT,
    Missing,
    array,
    checked,
    from_json,
    given,
    is_equal,
    is_less,
    is_true,
    member,
    number,
    string,
    text_of,
    to_json,
    type_name,
)

_MOST_ITEMS: Final = 10_000
_PERCENT: Final = 3
_SORTED: Final = 2
"""What sorting takes for each entry, beside one that is only looked at."""


def _default(budget: Budget, value: object, fallback: object = "", boolean: object = False) -> object:
    del budget
    is_lacking = isinstance(value, Missing) or (is_true(boolean) and not is_true(value))
    return given(fallback) if is_lacking else value


def _defined(budget: Budget, value: object) -> bool:
    del budget
    return not isinstance(value, Missing)


def _length(budget: Budget, value: object) -> int:
    del budget
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise TemplateError(f"{type_name(value)} has no length")


def _text(change: Callable[[str], str], budget: Budget, value: object) -> str:
    found = text_of(value, budget)
    # A few characters become three when their case changes.
    budget.take(len(found) * 3)
    return change(found)


def _join(budget: Budget, value: object, d: object = "", attribute: object = None) -> str:
    items = array(value, "what is joined")
    if attribute is not None:
        items = [given(_attribute(item, attribute, budget)) for item in items]
    separator = string(d, "the separator")
    budget.look(len(items))
    texts = [text_of(item, budget) for item in items]
    budget.take(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _end(index: int, budget: Budget, value: object) -> object:
    del budget
    if isinstance(value, str):
        return value[index] if value else Missing("item of an empty string")
    items = array(value, "what an item is taken of")
    return items[index] if items else Missing("item of an empty array")


def _replace(budget: Budget, value: object, old: object, new: object) -> str:
    text, former, later = text_of(value, budget), string(old, "what is replaced"), string(new, "what replaces it")
    budget.take(len(text) + text.count(former) * len(later))
    return text.replace(former, later)


def _integer(budget: Budget, value: object, default: object = None) -> int | float:
    return _converted(int, budget, value, default)


def _float(budget: Budget, value: object, default: object = None) -> int | float:
    return _converted(float, budget, value, default)


def _converted(kind: Callable[[Any], int | float], budget: Budget, value: object, default: object) -> int | float:
    try:
        if isinstance(value, str | int | float):
            budget.take(len(value) if isinstance(value, str) else 0)
            return checked(kind(float(value) if kind is int and isinstance(value, str) and "." in value else value))
    except (ValueError, OverflowError):
        pass
    if default is None:
        raise TemplateError(f"this is no number but {type_name(value)}")
    return number(default, "the default")


def _quote(budget: Budget, value: object) -> str:
    return to_json(text_of(value, budget), budget)


def _sorted(budget: Budget, value: object, reverse: object = False, attribute: object = None) -> list[object]:
    items = list(array(value, "what is sorted"))
    budget.measure(items)

    def key(item: object) -> object:
        return item if attribute is None else given(_attribute(item, attribute, budget))

    def compare(left: object, right: object) -> int:
        budget.step()
        return -1 if is_less(key(left), key(right), budget) else int(is_less(key(right), key(left), budget))

    return sorted(items, key=cmp_to_key(compare), reverse=is_true(reverse))


def _unique(budget: Budget, value: object) -> list[object]:
    found: list[object] = []
    for item in array(value, "what is made unique"):
        for each in found:
            budget.step()
            if is_equal(each, item, budget):
                break
        else:
            found.append(item)
    return found


def _reversed(budget: Budget, value: object) -> object:
    if isinstance(value, str):
        budget.take(len(value))
        return value[::-1]
    items = array(value, "what is reversed")
    budget.look(len(items))
    return list(reversed(items))


def _attribute(item: object, path: object, budget: Budget) -> object:
    name = string(path, "an attribute")
    budget.take(len(name))
    for key in name.split("."):
        item = member(item, key)
        if item is ABSENT:
            return Missing("such attribute of an item")
    return item


def _map(budget: Budget, value: object, attribute: object, default: object = None) -> list[object]:
    found = []
    for item in array(value, "what is mapped"):
        budget.step()
        each = _attribute(item, attribute, budget)
        found.append(given(each) if default is None or not isinstance(each, Missing) else default)
    return found


def _select(
    budget: Budget, value: object, attribute: object, test: object = None, other: object = None, *, keeps: bool
) -> list[object]:
    found = []
    for item in array(value, "what is selected from"):
        budget.step()
        each = _attribute(item, attribute, budget)
        passes = is_true(each) if test is None else _passes(string(test, "a test"), each, other, budget)
        if passes is keeps:
            found.append(item)
    return found


_SIGNS: Final[Mapping[str, str]] = {
    "equalto": "eq", "==": "eq", "!=": "ne", "<": "lt", ">": "gt", "<=": "lteq", ">=": "gteq", "le": "lteq",
    "ge": "gteq", "lessthan": "lt", "greaterthan": "gt",
}  # fmt: skip


def _passes(test: str, value: object, other: object, budget: Budget) -> bool:
    if test in TESTS and test not in _COMPARISONS:
        return is_true(TESTS[test](budget, value))
    return holds(_SIGNS.get(test, test), value, other, budget)


def _sum(budget: Budget, value: object, attribute: object = None, start: object = 0) -> int | float:
    total = number(start, "the start")
    for item in array(value, "what is added"):
        budget.step()
        total = checked(total + number(item if attribute is None else _attribute(item, attribute, budget), "each item"))
    return total


def _extreme(operator: str, budget: Budget, value: object) -> object:
    best: object = Missing("item of an empty array")
    for item in array(value, "what is compared"):
        budget.step()
        if isinstance(best, Missing) or holds(operator, item, best, budget):
            best = item
    return best


def _round(budget: Budget, value: object, precision: object = 0) -> int | float:
    del budget
    digits = number(precision, "the precision")
    return round(float(number(value, "what is rounded")), max(min(int(digits), 15), -15))


def _absolute(budget: Budget, value: object) -> int | float:
    del budget
    return checked(abs(number(value, "this")))


def _items(budget: Budget, value: object) -> list[object]:
    if not isinstance(value, Mapping):
        raise TemplateError(f"only objects have items; this is {type_name(value)}")
    budget.look(_SORTED * len(value))
    return [[key, value[key]] for key in sorted(value)]


def _keys(budget: Budget, value: object) -> list[object]:
    if not isinstance(value, Mapping):
        raise TemplateError(f"only objects have keys; this is {type_name(value)}")
    budget.look(_SORTED * len(value))
    return sorted(value)


def _url_encoded(budget: Budget, value: object) -> str:
    found = text_of(value, budget)
    budget.take(len(found.encode("utf-8", "surrogatepass")) * _PERCENT)
    return percent_encoded(found, safe="", errors="surrogatepass")


def _range(budget: Budget, *bounds: object) -> list[object]:
    numbers = [number(bound, "a bound of range()") for bound in bounds]
    if not 1 <= len(numbers) <= 3 or not all(isinstance(each, int) for each in numbers):  # noqa: PLR2004
        raise TemplateError("range() takes one to three integers")
    integers = [int(each) for each in numbers]
    if len(integers) == 3 and not integers[2]:  # noqa: PLR2004
        raise TemplateError("the step of range() must not be 0")
    found = range(*integers)
    if len(found) > _MOST_ITEMS:
        raise TemplateError(f"range() makes {_MOST_ITEMS} numbers at most")
    budget.look(len(found))
    return list(found)


def _is(kinds: tuple[type, ...], budget: Budget, value: object) -> bool:
    del budget
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _compared(operator: str, budget: Budget, value: object, other: object) -> bool:
    return holds(operator, value, other, budget)


FILTERS: Final[Mapping[str, Function]] = {
    "abs": _absolute,
    "count": _length,
    "d": _default,
    "default": _default,
    "dictsort": _items,
    "first": partial(_end, 0),
    "float": _float,
    "from_json": lambda budget, value: from_json(value, budget),
    "fromjson": lambda budget, value: from_json(value, budget),
    "int": _integer,
    "items": _items,
    "join": _join,
    "keys": _keys,
    "last": partial(_end, -1),
    "length": _length,
    "list": lambda budget, value: _listed(budget, value) if not isinstance(value, str) else _letters(budget, value),
    "lower": partial(_text, str.lower),
    "map": _map,
    "max": partial(_extreme, "gt"),
    "min": partial(_extreme, "lt"),
    "quote": _quote,
    "rejectattr": partial(_select, keeps=False),
    "replace": _replace,
    "reverse": _reversed,
    "round": _round,
    "selectattr": partial(_select, keeps=True),
    "sort": _sorted,
    "string": lambda budget, value: text_of(value, budget),
    "sum": _sum,
    "to_json": lambda budget, value: to_json(value, budget),
    "tojson": lambda budget, value: to_json(value, budget),
    "trim": partial(_text, str.strip),
    "unique": _unique,
    "upper": partial(_text, str.upper),
    "urlencode": _url_encoded,
}
"""Filters of the Jinja form."""

TESTS: Final[Mapping[str, Function]] = {
    "boolean": partial(_is, (bool,)),
    "defined": _defined,
    "false": lambda _, value: value is False,
    "mapping": partial(_is, (Mapping,)),
    "none": lambda _, value: value is None,
    "number": partial(_is, (int, float)),
    "sequence": partial(_is, (list, tuple)),
    "string": partial(_is, (str,)),
    "true": lambda _, value: value is True,
    "undefined": lambda _, value: isinstance(value, Missing),
    **{
        name: partial(_compared, operator)
        for name, operator in {
            **_SIGNS,
            **{each: each for each in ("eq", "ne", "lt", "gt", "in")},
        }.items()
    },
}
"""Tests of the Jinja form."""

_COMPARISONS: Final = frozenset((*_SIGNS, "eq", "ne", "lt", "gt", "in"))


def _letters(budget: Budget, value: str) -> list[object]:
    budget.look(len(value))
    return list(value)


def _listed(budget: Budget, value: object) -> list[object]:
    items = array(value, "this")
    budget.look(len(items))
    return list(items)


def takes(function: Function, count: int, named: Sequence[str] = ()) -> bool:
    """Whether a function can be called with so many arguments and these named ones."""
    try:
        inspect.signature(function).bind(None, *range(count), **dict.fromkeys(named))
    except TypeError:
        return False
    return True


GLOBALS: Final[Mapping[str, Function]] = {"range": _range}
"""Functions of the Jinja form."""

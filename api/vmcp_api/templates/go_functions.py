"""The functions of the Go form, by the names that text/template gives them, and `json`, `fromJson`, `quote`."""

import html
import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.functions import FILTERS
from vmcp_api.templates.nodes import Function, holds
from vmcp_api.templates.values import array, from_json, number, string, text_of, to_json, type_name

_VERB: Final = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d*))?(.?)", re.DOTALL)
_WIDEST: Final = 1000
_ESCAPED: Final = 6
"""Characters that one may become in HTML or JavaScript."""


def _print(ending: str, between: str, budget: Budget, *values: object) -> str:
    texts = [text_of(value, budget) for value in values]
    budget.take(sum(map(len, texts)) + len(texts) + 1)
    return between.join(texts) + ending


def _printf(budget: Budget, form: object, *values: object) -> str:
    pattern, left = string(form, "the format of printf"), list(values)
    # Each two characters may be a verb of their own.
    budget.look(len(pattern) // 2)

    def written(verb: re.Match[str]) -> str:
        flags, width, precision, letter = verb.groups()
        if letter == "%":
            return "%"
        if not left:
            raise TemplateError("printf has fewer values than its format asks for")
        if int(width or 0) > _WIDEST or int(precision or 0) > _WIDEST:
            raise TemplateError(f"printf writes {_WIDEST} characters at most for a number")
        text = _formatted(letter, precision, left.pop(0), budget)
        if "+" in flags and letter in "df" and not text.startswith("-"):
            text = f"+{text}"
        budget.take(max(len(text), int(width or 0)))
        if "0" in flags and letter in "dfx":
            return text.zfill(int(width or 0))
        return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))

    result = _VERB.sub(written, pattern)
    if left:
        raise TemplateError("printf has more values than its format asks for")
    budget.take(len(result))
    return result


def _formatted(letter: str, precision: str | None, value: object, budget: Budget) -> str:
    match letter:
        case "s" | "v":
            text = text_of(value, budget)
            return text if precision is None else text[: int(precision or 0)]
        case "q":
            return to_json(text_of(value, budget), budget)
        case "d":
            found = number(value, "what %d writes")
            if isinstance(found, float) and not found.is_integer():
                raise TemplateError("%d writes whole numbers; use %f or %v")
            return str(int(found))
        case "x":
            return format(int(number(value, "what %x writes")), "x")
        case "f" | "g" | "e":
            return format(float(number(value, f"what %{letter} writes")), f".{precision or 6}{letter}")
        case "t":
            if not isinstance(value, bool):
                raise TemplateError(f"%t writes a boolean; this is {type_name(value)}")
            return "true" if value else "false"
    raise TemplateError(f"printf does not know %{letter}")


def _equal(budget: Budget, first: object, *others: object) -> bool:
    if not others:
        raise TemplateError("'eq' compares two values at least")
    return any(holds("eq", first, other, budget) for other in others)


def _compared(operator: str, budget: Budget, left: object, right: object) -> bool:
    return holds(operator, left, right, budget)


def _slice(budget: Budget, value: object, *bounds: object) -> object:
    whole = value if isinstance(value, str) else array(value, "what is sliced")
    numbers = [number(bound, "a bound of slice") for bound in bounds]
    if len(numbers) > 2 or not all(isinstance(each, int) and 0 <= each <= len(whole) for each in numbers):  # noqa: PLR2004
        raise TemplateError("the bounds of slice are not within what is sliced")
    start, end = [*map(int, numbers), *(0, len(whole))[len(numbers) :]]
    budget.take(max(end - start, 0)) if isinstance(whole, str) else budget.look(max(end - start, 0))
    return whole[start:end]


def _escaped(budget: Budget, *values: object) -> str:
    text = _print("", "", budget, *values)
    budget.take(len(text) * _ESCAPED)
    return html.escape(text)


def _script(budget: Budget, *values: object) -> str:
    return to_json(_print("", "", budget, *values), budget)[1:-1].replace("<", "\\u003C").replace(">", "\\u003E")


GO_FUNCTIONS: Final[Mapping[str, Function]] = {
    "eq": _equal,
    "fromJson": lambda budget, value: from_json(value, budget),
    "ge": partial(_compared, "gteq"),
    "gt": partial(_compared, "gt"),
    "html": _escaped,
    "js": _script,
    "json": lambda budget, value: to_json(value, budget),
    "le": partial(_compared, "lteq"),
    "len": FILTERS["length"],
    "lt": partial(_compared, "lt"),
    "ne": partial(_compared, "ne"),
    "print": partial(_print, "", ""),
    "printf": _printf,
    "println": partial(_print, "\n", " "),
    "quote": FILTERS["quote"],
    "slice": _slice,
    "urlquery": FILTERS["urlencode"],
}
"""`and`, `or`, `not` and `index` are syntax here."""

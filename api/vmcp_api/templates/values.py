"""Values of templates: what JSON knows, and the sign for what is not there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.decoding import RangeError, load_json
from vmcp_api.templates.errors import TemplateError, TemplateKeyError
from vmcp_api.templates.weight import weight_of_json

_MOST_INTEGER: Final = 1 << 63
_LONGEST_FLOAT: Final = 1e21


_NAMES: Final[Sequence[tuple[type | tuple[type, ...], str]]] = (
    (type(None), "null"),
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "a string"),
    (Mapping, "an object"),
    ((list, tuple), "an array"),
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for what is read and not there, which `said` says; it is false, and nothing else can be done with it.

    `path` are the keys from the root, empty where it is read in another way.
    """

    said: str
    path: tuple[str, ...] = ()

    def refuse(self) -> NoReturn:
        """Raises that it is needed.

        Raises:
            TemplateKeyError: always.
        """
        raise TemplateKeyError(f"there is no {self.said}", path=self.path)


def given(value: object) -> object:
    """The value, which has to be there.

    Raises:
        TemplateKeyError: it is not.
    """
    if isinstance(value, Missing):
        value.refuse()
    return value


def is_true(value: object) -> bool:
    """Whether a condition holds: empty texts and lists, zero, null and what is not there are false."""
    if isinstance(value, Missing):
        return False
    return bool(value)


def type_name(value: object) -> str:
    """What JSON calls it."""
    return next((name for kinds, name in _NAMES if isinstance(value, kinds)), "nothing")


def text_of(value: object, budget: Budget) -> str:
    """The value as part of a text: strings as they are, the rest as JSON.

    Raises:
        TemplateError: it is not there, or too large.
    """
    match given(value):
        case str() as text:
            return text
        case bool() as truth:
            return "true" if truth else "false"
        case int() as number:
            return str(checked(number))
        case float() as number:
            return str(int(number)) if number.is_integer() and abs(number) < _LONGEST_FLOAT else repr(number)
        case other:
            return to_json(other, budget)


def to_json(value: object, budget: Budget) -> str:
    """The value as JSON, without blanks.

    Raises:
        TemplateError: it is not there, or too large.
    """
    budget.measure(given(value))
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise TemplateError(f"{type_name(value)} cannot be written as JSON") from None


def from_json(text: object, budget: Budget) -> object:
    """What a JSON text says.

    Raises:
        TemplateError: it is no string, or no JSON.
    """
    found = string(text, "JSON text")
    budget.decode(weight_of_json(found.encode(errors="surrogatepass")))
    try:
        return load_json(found)
    except RangeError as error:
        raise TemplateError(f"the JSON text holds {error}") from None
    except (ValueError, RecursionError):
        raise TemplateError("the text is no JSON") from None


def string(value: object, what: str) -> str:
    """The value, which has to be a string.

    Raises:
        TemplateError: it is none.
    """
    found = given(value)
    if not isinstance(found, str):
        raise TemplateError(f"{what} must be a string; it is {type_name(found)}")
    return found


def number(value: object, what: str) -> int | float:
    """The value, which has to be a number.

    Raises:
        TemplateError: it is none, or too large an integer.
    """
    found = given(value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TemplateError(f"{what} must be a number; it is {type_name(found)}")
    return checked(found)


def array(value: object, what: str) -> Sequence[object]:
    """The value, which has to be an array.

    Raises:
        TemplateError: it is none.
    """
    found = given(value)
    if not isinstance(found, list | tuple):
        raise TemplateError(f"{what} must be an array; it is {type_name(found)}")
    return found


def checked(value: int | float) -> int | float:  # noqa: PYI041 - the same type is given back
    """A number that arithmetic may go on with.

    Raises:
        TemplateError: it is an integer beyond 64 bits, which others read wrongly, or no number of JSON.
    """
    if isinstance(value, int):
        if not -_MOST_INTEGER <= value < _MOST_INTEGER:
            raise TemplateError("an integer is larger than 64 bits")
    elif value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - what is not itself is no number
        raise TemplateError("a number is too large, or none")
    return value


def is_equal(left: object, right: object, budget: Budget) -> bool:
    """Whether two values are the same; booleans are no numbers, and what is not there equals nothing."""
    if isinstance(left, Missing) or isinstance(right, Missing):
        return False
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, str) and isinstance(right, str):
        budget.compare(left, right)
    for each in (left, right):
        if isinstance(each, Mapping | list | tuple):
            budget.measure(each)
    return left == right


def is_less(left: object, right: object, budget: Budget) -> bool:
    """Whether one value comes before another.

    Raises:
        TemplateError: they are not two numbers or two strings.
    """
    left, right = given(left), given(right)
    if isinstance(left, str) and isinstance(right, str):
        budget.compare(left, right)
        return left < right
    if _is_number(left) and _is_number(right):
        return number(left, "what is compared") < number(right, "what is compared")
    raise TemplateError(f"{type_name(left)} cannot be compared with {type_name(right)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


ABSENT: Final = Missing("what is read")
"""What `member` finds where there is nothing: whoever asks knows what to call it."""


def member(of: object, key: object) -> object:
    """What an object or array has under a key; `ABSENT` where there is nothing."""
    if isinstance(of, Missing):
        return of
    if isinstance(of, (dict, Mapping)):
        return of[key] if isinstance(key, str) and key in of else ABSENT
    if isinstance(of, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        return of[key] if -len(of) <= key < len(of) else ABSENT
    return ABSENT

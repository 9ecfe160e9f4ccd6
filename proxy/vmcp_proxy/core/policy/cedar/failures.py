"""Why a policy failed, in words that hold nothing of a claim or an argument.

The library's own texts do: the subject, what was added up where that overflowed, what a `decimal(…)` could not read.
What is taken from them stands in the policy itself, or is the name of a type.
"""

import re
from collections.abc import Iterable
from typing import Final

UNTOLD: Final = "it cannot be evaluated for this call"
NOT_JSON: Final = "the arguments are no JSON object"
TOO_MANY: Final = "the arguments have more members and elements than policies judge by (10 000)"
TOO_LARGE: Final = "the arguments that policies read are larger than what policies judge by (1 MiB)"
FRACTIONS: Final = "the arguments that policies read have more fractions than policies judge by (1 000)"
OVERLONG: Final = "more characters than any list may have in a name or URI"

_BEFORE: Final = re.compile(r"^error while evaluating policy `\w+`: ")
_UID: Final = r'`((?:\w+::)*\w+)::"(?:[^"\\]|\\.)*"`'
"""An entity, whose id may be the caller's; quotes within that are escaped."""

_ABSENT: Final = re.compile(rf"(?:record|{_UID}) does not have the attribute `(.*)`", re.DOTALL)
_UNTAGGED: Final = re.compile(rf"{_UID} does not have the tag `", re.DOTALL)
_UNTOLD: Final = re.compile(rf"entity {_UID} does not exist", re.DOTALL)
_TYPES: Final = re.compile(r"type error: expected (?:one of )?[\w\[\](),:` ]+, got [\w():` ]+")
_OVERFLOW: Final = re.compile(r"integer overflow while attempting to (\w+)")
_FUNCTION: Final = re.compile(r"error while evaluating `(\w+)` extension function")
_FORMS: Final = (
    (_OVERFLOW, "integer overflow while attempting to {}"),
    (_FUNCTION, "the function {} cannot read the text that it was given"),
    (_UNTAGGED, "the {} of this call has no such tag"),
    (_UNTOLD, "nothing is told of the {} whose attribute it reads"),
)
_LONGEST: Final = 128


def describe_failure(said: str) -> str:
    """What the library says of a policy that failed, without what may be the caller's."""
    text = _BEFORE.sub("", said, count=1)
    if found := _ABSENT.fullmatch(text):
        # The attribute is the policy's own word.
        whose = f"{found[1]} of this call" if found[1] else "record"
        return f"the {whose} has no attribute {found[2][:_LONGEST]!r}"
    if _TYPES.fullmatch(text):
        return text
    for form, words in _FORMS:
        if found := form.match(text):
            return words.format(found[1])
    return UNTOLD


def unholdable(claims: Iterable[str]) -> str:
    """Of claims, as policies name them, that Cedar cannot hold."""
    return f"Cedar has no value for what stands in {', '.join(sorted(claims))}"


def ambiguous(arguments: Iterable[str]) -> str:
    """Of arguments, as policies name them, that cannot be judged by."""
    names = ", ".join(sorted(arguments))
    return f"{names} cannot be judged by: Cedar has no value for it, or a backend could take another member for it"

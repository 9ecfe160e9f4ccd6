"""Why a pattern of a schema cannot be used, which the library that compiles it does not tell."""

import re
from typing import Final

_BEYOND_LINEAR: Final = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?<?[=!]|\\(?:[1-9]|k[<{']))")
"""Look-around and back-references, which no engine of linear time has."""

_COUNT: Final = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")


def explain_pattern(pattern: object) -> str:
    """``what is wrong; what to do`` of a pattern that was refused."""
    if not isinstance(pattern, str):
        return "is no text; write a regular expression"
    if _BEYOND_LINEAR.search(pattern):
        return "is no regular expression of linear time; write it without look-around and back-references"
    uncounted = _COUNT.sub(_least, pattern)
    if uncounted != pattern and _compiles(uncounted):
        return "is too large with its repetitions written out; repeat less, as {1000} within {1000} is a million"
    return "is no regular expression; correct it"


def _least(count: re.Match[str]) -> str:
    """A count as the smallest of its kind; one that ends before it begins stays wrong."""
    low, comma, high = count.groups()
    return count[0] if high and _is_more(low, high) else "{1,}" if comma and not high else "{1}"


def _is_more(low: str, high: str) -> bool:
    left, right = low.lstrip("0"), high.lstrip("0")
    return (len(left), left) > (len(right), right)


def _compiles(pattern: str) -> bool:
    from jsonschema_rs import RegexOptions, ValidationError, validator_for  # noqa: PLC0415 - as its caller does

    try:
        validator_for({"pattern": pattern}, pattern_options=RegexOptions())
    except ValidationError:
        return False
    return True

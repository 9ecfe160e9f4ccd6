"""Whether a URI is spelt in the one way that policies compare it in (ADR-0041)."""

import re
from typing import Final
from urllib.parse import unquote

_MOST_ENCODINGS: Final = 4
"""Times that what was read is read again: backends exist that decode twice."""

_ODD: Final = (
    (re.compile(r"[\x00-\x1f\x7f-\x9f\\]"), "a control character or a backslash, plain or encoded"),
    (
        # Letters, digits and `-._~/\`.
        re.compile(r"%(?:2[def]|3\d|[46][1-9a-f]|[57][\da]|5[cf]|7e)", re.IGNORECASE),
        "a slash, a letter, a digit or one of -._~ that is percent-encoded",
    ),
    (re.compile(r"(?:^|[/:;,?&=])\.\.?(?:[/;,?&=]|$)"), "a dot segment, plain or encoded"),
)
"""What a reader may take for something else, however often it was decoded."""

_CODE: Final = "an encoding that is broken, no UTF-8, or many times over"
_WRITTEN: Final = (
    (re.compile("#"), "a fragment"),
    (re.compile(r"\s"), "a blank"),
    (re.compile(r"%(?![\da-f]{2})", re.IGNORECASE), _CODE),
)
"""The same as it is written, before anything is decoded."""


def find_ambiguity(uri: str) -> str:
    """What of this URI some reader could take for something else; empty where every reader takes it for the same.

    These are dot segments, slashes, backslashes and unreserved characters that are percent-encoded (RFC 3986,
    section 6.2.2), control characters, blanks, a fragment, and encodings that are broken or no UTF-8, however often
    they are decoded.
    """
    for odd, what in _WRITTEN:
        if odd.search(uri) is not None:
            return what
    for _ in range(_MOST_ENCODINGS):
        found = next((what for odd, what in _ODD if odd.search(uri) is not None), "")
        try:
            decoded = uri if found else unquote(uri, errors="strict")
        except UnicodeError:
            break
        if decoded == uri:
            return found
        uri = decoded
    return _CODE

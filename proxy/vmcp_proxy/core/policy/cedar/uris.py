"""Whether a URI is spelt in the one way that policies compare it in (ADR-0041)."""

import re
from typing import Final
from urllib.parse import unquote

_MOST_ENCODINGS: Final = 4
"""Times that what was read is read again: backends exist that decode twice."""

_BROKEN: Final = re.compile(r"%(?![\da-f]{2})", re.IGNORECASE)
_ODD: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\\]"  # what no URI holds, plain or decoded
    r"|%(?:2[def]|3\d|[46][1-9a-f]|[57][\da]|5[cf]|7e)"  # letters, digits and `-._~/\`, encoded without need
    r"|(?:^|[/:;,?&=])\.\.?(?:[/;,?&=]|$)",  # segments that a reader takes away
    re.IGNORECASE,
)


def is_plain(uri: str) -> bool:
    """Whether every reader takes this URI for the same: by its segments, its characters and their encoding.

    Not plain are dot segments, slashes, backslashes and unreserved characters that are percent-encoded (RFC 3986,
    section 6.2.2), control characters, blanks, a fragment, and encodings that are broken or no UTF-8, however often
    they are decoded.
    """
    if "#" in uri or _BROKEN.search(uri) is not None or any(char.isspace() for char in uri):
        return False
    for _ in range(_MOST_ENCODINGS):
        if _ODD.search(uri) is not None:
            return False
        try:
            decoded = unquote(uri, errors="strict")
        except UnicodeError:
            return False
        if decoded == uri:
            return True
        uri = decoded
    return False

"""Which redirects are followed (RFC 9110 section 15.4)."""

from typing import Final

from vmcp_proxy.backends.http.errors import RedirectRefused
from vmcp_proxy.backends.http.url import InvalidUrl, Url

MAX_REDIRECTS: Final = 5

_KEEPS_METHOD: Final = frozenset({307, 308})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def next_url(url: Url, method: bytes, status: int, location: bytes | None) -> Url | None:
    """Return where to send the request again, or None where the response itself is the answer.

    307 and 308 repeat the request with method and body. 301, 302 and 303 are followed for GET only: for
    anything else clients turn them into a GET, and an MCP message is none. RedirectRefused for these, for a target
    outside the origin and for one that cannot be read.
    """
    if location is None or status not in _REDIRECTS:
        return None
    try:
        target = url.join(location.decode("utf-8"))
    except (InvalidUrl, UnicodeDecodeError):
        raise RedirectRefused("its target is no usable URL") from None
    if target.origin != url.origin:
        raise RedirectRefused("it leads to another origin")
    if method != b"GET" and status not in _KEEPS_METHOD:
        raise RedirectRefused(f"HTTP status {status} would lose the message; correct the URL of the backend")
    return target

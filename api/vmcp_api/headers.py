"""Which HTTP header names and values may go to a backend.

Names are compared without case (RFC 9110 section 5.1) and shown in canonical form (``X-Api-Key``). The
same functions decide at admission, where a bad name is refused with a message, and at run time, where it is
dropped.
"""

import re
from collections.abc import Iterable
from typing import Final

MCP_PREFIX: Final = "mcp-"
"""What every header of the MCP transport begins with, in lower case."""

RESTRICTED: Final = frozenset(
    {
        "host",
        "origin",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "proxy-authenticate",
        "proxy-connection",
        "transfer-encoding",
        "content-length",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "accept",
        "accept-encoding",
        "content-encoding",
        "content-type",
        "expect",
        "last-event-id",
    }
)
"""Lower-case names that only the proxy itself writes: framing, hop-by-hop, origin and transport headers."""

RESTRICTED_PASSTHROUGH: Final = RESTRICTED | {"authorization", "cookie"}
"""Lower-case names that are never copied from a client's request."""

TOKEN_PATTERN: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # noqa: S105 - RFC 9110 calls the syntax of a name token
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE_END: Final = b"\r\n"


def is_token(name: str) -> bool:
    """Whether a text is a field name (RFC 9110 section 5.6.2, ``token``)."""
    return _TOKEN.fullmatch(name) is not None


def canonical_name(name: str) -> str:
    """The form in which a name is shown and compared: ``x-API-key`` becomes ``X-Api-Key``.

    A name that is no token comes back unchanged.
    """
    if not is_token(name):
        return name
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def is_restricted(name: str, *, passthrough: bool = False) -> bool:
    """Whether a name may not be sent to a backend by configuration.

    ``passthrough`` asks about a header copied from the client, where credentials for the proxy itself
    (Authorization, Cookie) are restricted too.
    """
    lower = name.lower()
    return lower.startswith(MCP_PREFIX) or lower in (RESTRICTED_PASSTHROUGH if passthrough else RESTRICTED)


def is_valid_value(value: str) -> bool:
    """Whether a text can be a field value: no CR, LF, NUL or other control character but the tab."""
    return _CONTROL.search(value) is None


def check_passthrough_name(name: str) -> str | None:
    """What is wrong with one name of the allow-list, with the remedy; ``None`` when it may stay."""
    if problem := _check_token(name):
        return problem
    if not is_restricted(name, passthrough=True):
        return None
    shown = canonical_name(name)
    if shown in {"Authorization", "Cookie"}:
        message = f"{shown} carries the client's credentials for this endpoint and is never passed on to all backends"
        return f"{message}; remove it, and give it to one backend with relay in outgoingAuth.backends"
    return _restricted_text(shown)


def check_passthrough_names(names: Iterable[str]) -> tuple[tuple[int, str], ...]:
    """Every problem of an allow-list, as (position, text): bad names, and names listed twice in any case."""
    seen: dict[str, int] = {}
    problems: list[tuple[int, str]] = []
    for index, name in enumerate(names):
        if problem := check_passthrough_name(name):
            problems.append((index, problem))
            continue
        first = seen.setdefault(name.lower(), index)
        if first != index:
            shown = canonical_name(name)
            problems.append((index, f"{shown} is listed twice (case does not count); remove one of them"))
    return tuple(problems)


def check_static_header(name: str, value: str | None = None) -> str | None:
    """What is wrong with a static header, with the remedy; ``None`` when it may stay.

    ``value`` is ``None`` when it lies in a Secret. The text never holds the value.
    """
    if problem := _check_token(name):
        return problem
    if is_restricted(name):
        return _restricted_text(canonical_name(name))
    # Half a character has no bytes, and is outside ASCII in any case.
    flaw = None if value is None else find_value_flaw(value.encode(errors="surrogatepass"))
    return None if flaw is None else f"the value of {canonical_name(name)} {flaw}"


def trim_secret(content: bytes) -> bytes:
    """The value that a key of a Secret holds: its content without the line break that files end with."""
    return content.rstrip(_LINE_END)


def find_value_flaw(value: bytes) -> str | None:
    """What keeps a static header's value from being sent: ``what is wrong; what to do``, never the value."""
    if not value.strip():
        return "is empty; write a value, or remove the header"
    if not is_valid_value(value.decode("latin-1")):
        return "holds a line break or control character; write it on one line"
    if not value.isascii():
        return "holds characters outside ASCII; encode it"
    return None


def find_collisions(passthrough: Iterable[str], static: Iterable[str]) -> tuple[str, ...]:
    """The canonical names that stand on both sides, sorted; neither side may silently win."""
    names = {name.lower() for name in passthrough} & {name.lower() for name in static}
    return tuple(sorted(canonical_name(name) for name in names))


def _check_token(name: str) -> str | None:
    if not name:
        return "a header name may not be empty; write one such as X-Api-Key"
    if not is_token(name):
        return f"{name!r} is no header name; use letters, digits and hyphens, such as X-Api-Key"
    return None


def _restricted_text(shown: str) -> str:
    if shown.lower().startswith(MCP_PREFIX):
        return f"{shown} belongs to the MCP protocol and only the proxy sets it; remove it"
    return f"{shown} belongs to the connection between the proxy and the backend; remove it"

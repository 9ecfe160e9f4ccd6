"""Why a request is not let in, and the challenge that says what to show instead."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

REALM: Final = "vmcp"

_RETRY: Final = ((b"retry-after", b"5"),)
_SPACE, _TILDE = 0x20, 0x7E
_NOT_QUOTED: Final = {'"': "'", "\\": "/"}
"""What RFC 6750 section 3 keeps out of its parameters, and what stands there instead."""


class Fault(Enum):
    """What is wrong with the credentials of a request, as RFC 6750 section 3.1 names it; `None`: there are none.

    `UNAVAILABLE` (RFC 6749 section 4.1.2.1): nothing is known to be wrong, but nobody can judge them now. A client that
    was challenged would throw them away.
    """

    NO_CREDENTIALS = None
    INVALID_REQUEST = "invalid_request"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - a code of the RFC
    INSUFFICIENT_SCOPE = "insufficient_scope"
    UNAVAILABLE = "temporarily_unavailable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in.

    `message` tells the client what to do and never how the check failed inside. `scopes` are what the request
    needs, where that is known; `resource_metadata` is the URL of the document that names the authorization servers.
    """

    fault: Fault
    message: str
    scopes: tuple[str, ...] = ()
    resource_metadata: str = ""

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of the answer: the challenge, or when to come again."""
        if self.fault is Fault.UNAVAILABLE:
            return _RETRY
        return ((b"www-authenticate", challenge(self)),)


def challenge(refusal: Refusal) -> bytes:
    """The value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9728 section 5.1; MCP, "Authorization").

    A request without credentials gets no error: it has done nothing wrong yet.
    """
    parameters = [("realm", REALM)]
    if refusal.fault.value is not None:
        parameters += [("error", refusal.fault.value), ("error_description", refusal.message)]
    if refusal.scopes:
        parameters.append(("scope", " ".join(refusal.scopes)))
    if refusal.resource_metadata:
        parameters.append(("resource_metadata", refusal.resource_metadata))
    return b"Bearer " + ", ".join(f'{name}="{_text(value)}"' for name, value in parameters).encode("ascii")


def _text(value: str) -> str:
    """The characters that may stand between quotes; a question mark for others, so that no value ends its header."""
    return "".join(_NOT_QUOTED.get(each, each) if _SPACE <= ord(each) <= _TILDE else "?" for each in value)

"""Callers that say themselves who they are, for tests about what each of them may do."""

from typing import Any

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.refusal import Fault, Refusal

ISSUER = "https://idp.example"


def identity_of(subject: str, **claims: Any) -> Identity:
    """A caller whose token has these claims."""
    return Identity(ISSUER, subject, has_authorization=True, claims={"iss": ISSUER, "sub": subject, **claims})


class BySubject:
    """An `Authenticator` that takes the bearer token for the subject."""

    async def authenticate(self, authorization: bytes | None) -> Identity | Refusal:
        if authorization is None:
            return Refusal(Fault.NO_CREDENTIALS, "say who you are")
        return identity_of(authorization.decode().removeprefix("Bearer "))

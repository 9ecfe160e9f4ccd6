"""Callers that say themselves who they are, for tests about what each of them may do."""

import json
from typing import Any

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.authenticator import Noted, Source
from vmcp_proxy.auth.incoming.refusal import Fault, Refusal

ISSUER = "https://idp.example"


def identity_of(subject: str, **claims: Any) -> Identity:
    """A caller whose token has these claims."""
    return Identity(ISSUER, subject, has_authorization=True, claims={"iss": ISSUER, "sub": subject, **claims})


class AskedEachTime:
    """The part of an `Authenticator` that recognises nobody."""

    def recognise(self, authorization: bytes | None, noted: Noted | None) -> None:
        return None


class BySubject(AskedEachTime):
    """An `Authenticator` that takes the bearer token for the subject."""

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity | Refusal:
        if authorization is None:
            return Refusal(Fault.NO_CREDENTIALS, "say who you are")
        return identity_of(authorization.decode().removeprefix("Bearer "))


def token_of(subject: str, **claims: Any) -> str:
    """A header for `ByClaims`."""
    return "Bearer " + json.dumps({"sub": subject, **claims}).encode().hex()


class ByClaims(AskedEachTime):
    """An `Authenticator` that takes the claims as they are told: a token that nobody signs."""

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity | Refusal:
        if authorization is None:
            return Refusal(Fault.NO_CREDENTIALS, "say who you are")
        claims = json.loads(bytes.fromhex(authorization.decode().removeprefix("Bearer ")))
        return identity_of(claims.pop("sub"), **claims)

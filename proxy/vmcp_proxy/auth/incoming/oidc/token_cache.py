"""Tokens that were judged, by their digest: bounded, and holding none of them."""

import hashlib
import weakref
from typing import Final, Generic, TypeVar

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.oidc.claims import Claims

_Verdict = TypeVar("_Verdict")

_SWEEP_SECONDS: Final = 60.0


def digest_of(token: bytes) -> bytes:
    """What stands for a token."""
    return hashlib.sha256(token).digest()


class Known:
    """A good token: its claims, and the identity of its bearer for as long as somebody holds that.

    The identity holds the token itself, for strategies that exchange it: this must not be what keeps it in memory
    after the last session of its bearer.
    """

    __slots__ = ("_identity", "claims")

    def __init__(self, claims: Claims) -> None:
        self.claims: Final = claims
        self._identity: weakref.ref[Identity] | None = None

    @property
    def held(self) -> Identity | None:
        """Who bears the token, where anybody holds that."""
        return None if self._identity is None else self._identity()

    def identity(self, issuer: str, token: bytes) -> Identity:
        """Who bears the token; the same object while anybody holds it."""
        identity = self.held
        if identity is None:
            claims = self.claims
            identity = Identity(
                issuer,
                claims.subject,
                has_authorization=True,
                claims=claims.every,
                scopes=claims.scopes,
                expires_at=claims.expires_at,
                token=SecretBytes(token),
            )
            self._identity = weakref.ref(identity)
        return identity


class Verdicts(Generic[_Verdict]):
    """Verdicts by digest, `most` at a time: the oldest gives way. Times are seconds of any one clock."""

    __slots__ = ("_most", "_swept", "_verdicts")

    def __init__(self, most: int) -> None:
        self._verdicts: Final[dict[bytes, tuple[_Verdict, float]]] = {}
        self._most: Final = most
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._verdicts)

    def get(self, digest: bytes, now: float) -> _Verdict | None:
        """The verdict that still holds."""
        known = self._verdicts.get(digest)
        return known[0] if known is not None and known[1] > now else None

    def past(self, digest: bytes) -> _Verdict | None:
        """The verdict, whether it holds or has to be asked for anew."""
        known = self._verdicts.get(digest)
        return None if known is None else known[0]

    def put(self, digest: bytes, verdict: _Verdict, *, now: float, until: float) -> None:
        """Remembers a verdict."""
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            for each in [each for each, (_, end) in self._verdicts.items() if end + _SWEEP_SECONDS <= now]:
                del self._verdicts[each]
        self._verdicts.pop(digest, None)
        while len(self._verdicts) >= self._most:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[digest] = verdict, until

"""Who a request comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Self

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.claims import OF_ONE_TOKEN, fingerprint

ANONYMOUS_ISSUER: Final = "anonymous"
LOCAL_ISSUER: Final = "local"
"""Stand where no authorization server vouches for the caller: those have URLs for names."""

_NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_SCOPES: Final[frozenset[str]] = frozenset()
"""One object each: callers that outlive their token are held by the thousand, and an empty set is 200 bytes."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Identity:
    """The caller, named by issuer and subject; anonymous ones differ by having sent `Authorization`.

    `scopes` are what the credentials are good for, `expires_at` is when they cease to let in, in Unix seconds (`None`:
    never).
    Like the claims they are those of one token; the caller stays the same when it is refreshed, so they do not
    count when identities are compared. `token` is that token, for what it is exchanged for and for nothing else: it is
    sent to no backend, and lives no longer than the request or the session that holds it.
    `repr` shows neither subject nor claims: they are personal data.

    Who keeps an identity beyond the session of its caller keeps its `caller`.
    """

    issuer: str
    subject: str = field(repr=False)
    has_authorization: bool = False
    claims: Mapping[str, Any] = field(default_factory=lambda: _NO_CLAIMS, repr=False, compare=False, hash=False)
    scopes: frozenset[str] = field(default=_NO_SCOPES, compare=False, hash=False)
    expires_at: float | None = field(default=None, compare=False, hash=False)
    token: SecretBytes | None = field(default=None, repr=False, compare=False, hash=False)

    @property
    def caller(self) -> Self:
        """The caller alone, without what belongs to one token."""
        if not self.claims and not self.scopes and self.expires_at is None and self.token is None:
            return self
        return replace(self, claims=_NO_CLAIMS, scopes=_NO_SCOPES, expires_at=None, token=None)

    @property
    def without_token(self) -> Self:
        """The caller with what its token says, and without the token."""
        return self if self.token is None else replace(self, token=None)

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody vouches for this caller."""
        return self.issuer == ANONYMOUS_ISSUER

    @property
    def audiences(self) -> frozenset[str] | None:
        """What the caller's token is for: `aud`, one text or many (RFC 7519 section 4.1.3); `None` without a token."""
        if not self.is_by_token:
            return None
        said = self.claims.get("aud")
        return frozenset(
            each for each in (said if isinstance(said, list | tuple) else (said,)) if isinstance(each, str)
        )

    @property
    def canonical_bytes(self) -> bytes:
        """One unambiguous byte string of who the caller is, fields prefixed with their length, for keyed digests.

        For an anonymous caller the presence of `Authorization` counts too; for others it may come and go with
        the way the same caller proves who it is.
        """
        # A token may carry a lone surrogate; it must count like any other text.
        fields = [text.encode(errors="surrogatepass") for text in (self.issuer, self.subject)]
        if self.is_anonymous:
            fields.append(b"with" if self.has_authorization else b"without")
        return b"".join(len(part).to_bytes(4, "big") + part for part in fields)

    @property
    def grant(self) -> bytes:
        """Stands for what the caller's token says and is good for; the same when the token is refreshed, and no more.

        Callers are equal whatever their tokens are for; what was made for one of them goes by this too.
        """
        if not self.claims and not self.scopes:
            return b""
        scopes = "".join(f" {scope}" for scope in sorted(self.scopes))
        return fingerprint(self.claims, OF_ONE_TOKEN) + scopes.encode(errors="surrogatepass")

    @property
    def is_by_token(self) -> bool:
        """Whether an authorization server vouches for this caller, by a token."""
        return self.issuer not in (ANONYMOUS_ISSUER, LOCAL_ISSUER)


ANONYMOUS: Final = Identity(ANONYMOUS_ISSUER, "anonymous")
ANONYMOUS_WITH_AUTHORIZATION: Final = Identity(ANONYMOUS_ISSUER, "anonymous", has_authorization=True)

"""Callers by their access token: a look-up for one that is known, a signature or a question for one that is not."""

import time
from dataclasses import dataclass
from typing import Final, TypeAlias

from vmcp_api.spec.incoming import OidcSettings
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.authenticator import Noted, Source
from vmcp_proxy.auth.incoming.oidc.claims import Claims, are_held
from vmcp_proxy.auth.incoming.oidc.flaw import Flaw, Refused
from vmcp_proxy.auth.incoming.oidc.introspection import Introspection
from vmcp_proxy.auth.incoming.oidc.keys import SHAPES
from vmcp_proxy.auth.incoming.oidc.provider import Provider
from vmcp_proxy.auth.incoming.oidc.refusal_log import RefusalLog
from vmcp_proxy.auth.incoming.oidc.signature import verify
from vmcp_proxy.auth.incoming.oidc.token import TokenHead, bearer_token, is_well_formed, read_head
from vmcp_proxy.auth.incoming.oidc.token_cache import Known, Verdicts, digest_of
from vmcp_proxy.auth.incoming.refusal import Fault, Refusal
from vmcp_proxy.auth.oauth.endpoints import ClientLogin, EndpointError, Endpoints
from vmcp_proxy.auth.oauth.single_flight import SingleFlight

MOST_TOKENS: Final = 8192
"""Good tokens that are known at a time; one more is verified again when it comes."""

MOST_REFUSED: Final = 1024
"""Opaque tokens that the issuer has refused, so that it is not asked again at once."""

SIGNED_SECONDS: Final = 300.0
"""How long a signed token is known before it is held against the present keys again."""

OPAQUE_SECONDS: Final = 30.0
"""How long what introspection says holds; a token that is revoked may come in for as long."""

REFUSED_SECONDS: Final = 10.0
"""How long a token that introspection refuses is refused without another question."""

_MAY_BE_NEW: Final = frozenset({Flaw.UNKNOWN_KEY, Flaw.SIGNATURE})
"""What another look at the issuer's keys may mend."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Nobody can say whether a token is good now."""

    reason: str


Verdict: TypeAlias = Claims | Refused | Unjudged


class OidcAuthenticator:
    """Knows callers by tokens of one issuer, whose `provider` has to run beside it (ADR-0039).

    `authenticate` is a look-up for a token that is known. Equal tokens are of one `Identity`, the same object for as
    long as somebody holds it.
    """

    def __init__(self, settings: OidcSettings, endpoints: Endpoints, provider: Provider, secret: bytes | None) -> None:
        self._settings: Final = settings
        self._issuer: Final = settings.issuer
        self._provider: Final = provider
        self._introspection: Final = Introspection(endpoints, settings.issuer, settings.audience)
        self._introspections: Final[SingleFlight[bytes, Verdict]] = SingleFlight()
        self._known: Final[Verdicts[Known]] = Verdicts(MOST_TOKENS)
        self._refused: Final[Verdicts[Refused]] = Verdicts(MOST_REFUSED)
        self._log: Final = RefusalLog(settings)
        self._required: Final = frozenset(settings.scopes)
        self._lacks_secret = False
        self._no_credentials: Final = self._refusal(
            Fault.NO_CREDENTIALS, "Send an access token as Authorization: Bearer."
        )
        self._invalid: Final = self._refusal(Fault.INVALID_TOKEN, "The access token is not valid here; get a new one.")
        self._insufficient: Final = self._refusal(
            Fault.INSUFFICIENT_SCOPE,
            f"The access token lacks a scope that this endpoint needs ({' '.join(settings.scopes)}); get one that has "
            "them all.",
        )
        self._unavailable: Final = Refusal(Fault.UNAVAILABLE, "Access tokens cannot be checked now; try again.")
        self.take_secret(secret)

    def __repr__(self) -> str:
        return f"OidcAuthenticator({self._issuer}, {len(self._known)} tokens known)"

    def take_secret(self, secret: bytes | None) -> None:
        """Introspects with another secret from now on; None where the Secret is not there."""
        client = self._settings.client_id
        self._lacks_secret = self._settings.client_secret_ref is not None and secret is None
        self._introspection.login = None if client is None else ClientLogin(client, secret)

    def recognise(self, authorization: bytes | None, noted: Noted | None) -> Identity | None:
        """See `Authenticator`; each time by the clock and by what is known now."""
        digest = None if noted is None else noted.token_digest
        if digest is None:
            token = bearer_token(authorization) if authorization else None
            if token is None:
                return None
            digest = digest_of(token)
            if noted is not None:
                noted.token_digest = digest
        known = self._known.get(digest, time.time())
        if known is None or (self._required and not are_held(self._required, known.claims.scopes)):
            return None
        return known.held

    async def authenticate(self, authorization: bytes | None, source: Source) -> Identity | Refusal:
        """See `Authenticator`."""
        token = bearer_token(authorization) if authorization else None
        if token is None:
            return self._no_credentials
        digest, now = digest_of(token), time.time()
        known = self._known.get(digest, now)
        if known is None:
            judged = await self._judge(token, digest, now, source)
            if isinstance(judged, Refusal):
                return judged
            known = judged
        if not are_held(self._required, known.claims.scopes):
            self._log.lacking(known.claims.scopes)
            return self._insufficient
        return known.identity(self._issuer, token)

    async def _judge(self, token: bytes, digest: bytes, now: float, source: Source) -> Known | Refusal:
        verdict: Verdict
        head = None
        if not is_well_formed(token):
            verdict = Refused(Flaw.MALFORMED)
        elif (head := read_head(token)) is not None:
            verdict = await self._verify(token, head)
        else:
            verdict = self._refused.get(digest, now) or await self._introspections.ask(
                digest, lambda: self._introspect(token, digest, source())
            )
        if isinstance(verdict, Refused):
            self._log.refused(verdict)
            return self._invalid
        if isinstance(verdict, Unjudged):
            self._log.unjudged(verdict.reason)
            return self._unavailable
        return self._remember(digest, verdict, SIGNED_SECONDS if head else OPAQUE_SECONDS)

    def _remember(self, digest: bytes, claims: Claims, seconds: float) -> Known:
        past = self._known.past(digest)
        # Asked for anew it says the same as a rule: then its bearer stays the same object.
        known = past if past is not None and past.claims == claims else Known(claims)
        now = time.time()
        self._known.put(digest, known, now=now, until=min(now + seconds, claims.expires_at))
        return known

    async def _verify(self, token: bytes, head: TokenHead) -> Verdict:
        if head.alg not in SHAPES:
            return Refused(Flaw.ALGORITHM)
        if not head.is_access_token:
            return Refused(Flaw.TYPE)
        if not head.kid:
            return Refused(Flaw.NO_KEY_NAME)
        verdict = self._verify_by_known(token, head)
        if isinstance(verdict, Refused) and verdict.flaw in _MAY_BE_NEW:
            # The issuer may have begun just now to sign with this key, or with another one of this name.
            await self._provider.look()
            verdict = self._verify_by_known(token, head)
        if verdict == Refused(Flaw.UNKNOWN_KEY) and not self._provider.state.is_reached:
            # That it had no such key before it went away says nothing of what it has now.
            return Unjudged(self._provider.state.message)
        return verdict

    def _verify_by_known(self, token: bytes, head: TokenHead) -> Claims | Refused:
        key = self._provider.find(head.kid, head.alg)
        if key is None:
            return Refused(Flaw.UNKNOWN_KEY)
        return verify(token, key, self._issuer, self._settings.audience)

    async def _introspect(self, token: bytes, digest: bytes, source: str) -> Verdict:
        if (url := self._provider.introspection_url) is None and self._settings.client_id is not None:
            await self._provider.look()
            url = self._provider.introspection_url
            if url is None and not self._provider.was_reached:
                return Unjudged(self._provider.state.message)
        if url is None:
            return Refused(Flaw.NO_INTROSPECTION)
        if self._lacks_secret:
            return Unjudged("the secret of the client that introspects is missing")
        try:
            verdict = await self._introspection.ask(url, token, source, again=self._known.past(digest) is not None)
        except EndpointError as error:
            return Unjudged(f"introspection: {error.reason}")
        if isinstance(verdict, Refused):
            now = time.time()
            self._refused.put(digest, verdict, now=now, until=now + REFUSED_SECONDS)
        return verdict

    def _refusal(self, fault: Fault, message: str) -> Refusal:
        return Refusal(fault, message, self._settings.wanted_scopes)

"""What is known of an issuer: its keys and its introspection endpoint, kept fresh for as long as tokens are judged."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Final

from jwt import PyJWK

from vmcp_api.spec.incoming import OidcSettings
from vmcp_proxy.auth.incoming.oidc.keys import KeySet
from vmcp_proxy.auth.incoming.oidc.provider_state import ProviderState
from vmcp_proxy.auth.oauth.endpoints import EndpointError, Endpoints, JsonObject
from vmcp_proxy.observability.logs import log_event

logger: Final = logging.getLogger("vmcp.auth")

FRESH_SECONDS: Final = 300.0
"""How old the keys get before they are looked at again, whether anybody needs that or not."""

RETRY_SECONDS: Final = 15.0
"""The same where the issuer was away."""

FLOOR_SECONDS: Final = 5.0
"""The least time between two looks for the sake of a key that is not known: who invents names causes no more."""

PATIENCE_SECONDS: Final = 15.0
"""For a whole look, discovery and keys."""

_MOST_SHOWN: Final = 256
"""Characters of what came, in the log."""

_WELL_KNOWN: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class _Found:
    """Where tokens are introspected, and the keys."""

    introspection_url: str | None
    keys: KeySet


class Provider:
    """One issuer; `run` looks at it now and then, and when a token names a key that is not known.

    While the issuer is away its known keys stay in force: what it has signed is as good as before.
    """

    def __init__(self, endpoints: Endpoints, settings: OidcSettings) -> None:
        self._endpoints: Final = endpoints
        self._settings: Final = settings
        self._floor = FLOOR_SECONDS
        self._found: _Found | None = None
        self._wanted: Final = asyncio.Event()
        self._next = self._first = self._forced = asyncio.Event()
        """Set at the end of the look that has yet to begin, of the first, and of the last for a token's sake."""
        self._asked = float("-inf")
        self.state = ProviderState()

    def is_of(self, settings: OidcSettings) -> bool:
        """Whether this is the issuer of some settings too, found and reached in the same way."""
        return _place(self._settings) == _place(settings)

    @property
    def introspection_url(self) -> str | None:
        """Where opaque tokens are asked about; None where that is nowhere, or not known yet."""
        return self._settings.introspection_url or (None if self._found is None else self._found.introspection_url)

    @property
    def was_reached(self) -> bool:
        """Whether it has ever said what there is to know of it."""
        return self._found is not None

    def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of a name, of those that are known."""
        return None if self._found is None else self._found.keys.find(kid, algorithm)

    async def look(self) -> None:
        """Waits for a look at the issuer that begins from now on; within the floor, for the end of the last one."""
        if not self._first.is_set():
            await self._until(self._first)
            return
        now = asyncio.get_running_loop().time()
        if now - self._asked >= self._floor:
            self._asked = now
            self._forced = self._next
            self._wanted.set()
        await self._until(self._forced)

    @staticmethod
    async def _until(end: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                await end.wait()

    async def run(self) -> None:
        """Looks at the issuer at once, and from then on; ends by being cancelled."""
        while True:
            end, self._next = self._next, asyncio.Event()
            self._wanted.clear()
            await self._refresh()
            end.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FRESH_SECONDS if self.state.is_reached else RETRY_SECONDS):
                    await self._wanted.wait()

    async def _refresh(self) -> None:
        before = self.state
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._found = await self._find()
        except EndpointError as error:
            self.state, came = ProviderState(is_reached=False, message=error.reason), error.came
        except TimeoutError:
            self.state, came = ProviderState(is_reached=False, message="it does not answer in time"), ""
        else:
            self.state, came = ProviderState(is_reached=True), ""
        if self.state != before:
            self._tell(came)

    async def _find(self) -> _Found:
        settings = self._settings
        jwks_url, introspection_url = settings.jwks_url, settings.introspection_url
        may_introspect = introspection_url is None and settings.client_id is not None
        if jwks_url is None or may_introspect:
            document = await self._document()
            jwks_url = jwks_url or _url(document, "jwks_uri")
            if may_introspect:
                introspection_url = _url(document, "introspection_endpoint")
        if jwks_url is None:
            raise EndpointError("its discovery document names no jwks_uri; set jwksUrl")
        jwks = await self._get("its keys", jwks_url)
        if not isinstance(jwks.get("keys"), list):
            raise EndpointError("its keys: the answer is no JWK set")
        return _Found(introspection_url, KeySet.of(jwks))

    async def _document(self) -> JsonObject:
        """The discovery document (OpenID Connect Discovery 1.0 section 4), which must be of this very issuer."""
        document = await self._get("its discovery document", self._settings.issuer.rstrip("/") + _WELL_KNOWN)
        if (issuer := document.get("issuer")) != self._settings.issuer:
            raise EndpointError(
                "its discovery document names another issuer; write the issuer exactly as it stands there",
                came=issuer[:_MOST_SHOWN] if isinstance(issuer, str) else "",
            )
        return document

    async def _get(self, what: str, url: str) -> JsonObject:
        try:
            return await self._endpoints.get(url)
        except EndpointError as error:
            raise EndpointError(f"{what}: {error.reason}") from None

    def _tell(self, came: str) -> None:
        issuer = self._settings.issuer
        if self._found is not None and self.state.is_reached:
            log_event(logger, logging.INFO, "issuer reached", issuer=issuer, keys=len(self._found.keys))
            return
        remedy = "tokens by keys that are known are let in meanwhile, others get 503"
        facts = {"issuer": issuer, "reason": self.state.message, "remedy": remedy} | ({"came": came} if came else {})
        log_event(logger, logging.WARNING, "issuer away", **facts)


def _url(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _place(settings: OidcSettings) -> OidcSettings:
    """The settings without what does not decide where an issuer is and how it is reached."""
    return settings.model_copy(
        update={"audience": "", "scopes": (), "scopes_supported": (), "resource_url": None, "client_secret_ref": None}
    )

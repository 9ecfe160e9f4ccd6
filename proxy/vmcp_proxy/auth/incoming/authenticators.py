"""The authenticator over reloads: made when the config asks for one, kept while it asks for the same."""

import asyncio
from typing import TYPE_CHECKING

from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType, OidcSettings
from vmcp_proxy.auth.incoming.anonymous import AnonymousAuthenticator
from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.local import LocalAuthenticator, operating_system_user
from vmcp_proxy.auth.incoming.oidc.provider_state import ProviderState
from vmcp_proxy.auth.oauth.endpoints import Endpoints
from vmcp_proxy.http_client import HttpClient

if TYPE_CHECKING:
    from vmcp_proxy.auth.incoming.oidc.authenticator import OidcAuthenticator
    from vmcp_proxy.auth.incoming.oidc.provider import Provider


class Authenticators:
    """Hands out authenticators; one lives, with what it has learned, as long as its settings do.

    An issuer that stays the same keeps its keys even so: a reload while it is away costs nobody their access. It is
    looked at in `tasks`, until another takes its place.
    """

    def __init__(self, client: HttpClient, tasks: asyncio.TaskGroup) -> None:
        self._client = client
        self._tasks = tasks
        self._current: tuple[IncomingAuth, Authenticator] | None = None
        self._oidc: OidcAuthenticator | None = None
        self._provider: Provider | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def current(self) -> Authenticator | None:
        """The one that was handed out last."""
        return None if self._current is None else self._current[1]

    @property
    def provider_state(self) -> ProviderState | None:
        """Whether the issuer of the callers' tokens is reached; None where there is none."""
        return None if self._provider is None else self._provider.state

    def authenticator_for(self, settings: IncomingAuth, secret: bytes | None = None) -> Authenticator:
        """The authenticator for some settings: the one there is where they are those of the last time.

        `secret` is what is behind `clientSecretRef` now.
        """
        if self._current is not None and self._current[0] == settings:
            if self._oidc is not None:
                self._oidc.take_secret(secret)
            return self._current[1]
        authenticator = self._build(settings, secret)
        self._current = (settings, authenticator)
        return authenticator

    def close(self) -> None:
        """Ends what runs beside callers."""
        if self._looking is not None:
            self._looking.cancel()
        self._provider = self._looking = None

    def _build(self, settings: IncomingAuth, secret: bytes | None) -> Authenticator:
        oidc = settings.oidc
        if oidc is not None:
            # Imported where tokens are asked for: the library that reads them weighs more than all else here.
            from vmcp_proxy.auth.incoming.oidc.authenticator import OidcAuthenticator  # noqa: PLC0415

            endpoints = Endpoints(self._client, oidc)
            self._oidc = OidcAuthenticator(oidc, endpoints, self._provider_of(oidc, endpoints), secret)
            return self._oidc
        self._oidc = None
        self.close()
        if settings.type is IncomingAuthType.LOCAL:
            return LocalAuthenticator(operating_system_user())
        return AnonymousAuthenticator()

    def _provider_of(self, settings: OidcSettings, endpoints: Endpoints) -> "Provider":
        from vmcp_proxy.auth.incoming.oidc.provider import Provider  # noqa: PLC0415

        if self._provider is None or not self._provider.is_of(settings):
            self.close()
            self._provider = Provider(endpoints, settings)
            self._looking = self._tasks.create_task(self._provider.run())
        return self._provider

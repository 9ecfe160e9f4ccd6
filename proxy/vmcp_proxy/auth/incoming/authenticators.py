"""The authenticator over reloads: made when the config asks for one, kept while it asks for the same."""

import asyncio

from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_proxy.auth.incoming.anonymous import AnonymousAuthenticator
from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.local import LocalAuthenticator, operating_system_user
from vmcp_proxy.auth.incoming.oidc.authenticator import OidcAuthenticator
from vmcp_proxy.auth.incoming.oidc.provider import ProviderState
from vmcp_proxy.auth.oauth.endpoints import Endpoints
from vmcp_proxy.http_client import HttpClient


class Authenticators:
    """Hands out authenticators; one lives, with what it has learned, as long as its settings do.

    What an authenticator does beside its callers runs in `tasks`, until another takes its place.
    """

    def __init__(self, client: HttpClient, tasks: asyncio.TaskGroup) -> None:
        self._client = client
        self._tasks = tasks
        self._current: tuple[IncomingAuth, Authenticator] | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def current(self) -> Authenticator | None:
        """The one that was handed out last."""
        return None if self._current is None else self._current[1]

    @property
    def provider_state(self) -> ProviderState | None:
        """Whether the issuer of the callers' tokens is reached; None where there is none."""
        current = self.current
        return current.state if isinstance(current, OidcAuthenticator) else None

    def authenticator_for(self, settings: IncomingAuth, secret: bytes | None = None) -> Authenticator:
        """The authenticator for some settings: the one there is where they are those of the last time.

        `secret` is what is behind `clientSecretRef` now.
        """
        if self._current is not None and self._current[0] == settings:
            current = self._current[1]
            if isinstance(current, OidcAuthenticator):
                current.take_secret(secret)
            return current
        self.close()
        authenticator = self._build(settings, secret)
        self._current = (settings, authenticator)
        return authenticator

    def close(self) -> None:
        """Ends what runs beside callers."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def _build(self, settings: IncomingAuth, secret: bytes | None) -> Authenticator:
        if settings.oidc is not None:
            authenticator = OidcAuthenticator(settings.oidc, Endpoints(self._client, settings.oidc), secret)
            self._running = self._tasks.create_task(authenticator.run())
            return authenticator
        if settings.type is IncomingAuthType.LOCAL:
            return LocalAuthenticator(operating_system_user())
        return AnonymousAuthenticator()

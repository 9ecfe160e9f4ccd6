"""The authenticator over reloads: made when the config asks for one, kept while it asks for the same."""

from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_proxy.auth.incoming.anonymous import AnonymousAuthenticator
from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.local import LocalAuthenticator, operating_system_user


class Authenticators:
    """Hands out authenticators; one lives, with what it has learned, as long as its settings do."""

    def __init__(self) -> None:
        self._current: tuple[IncomingAuth, Authenticator] | None = None

    def authenticator_for(self, settings: IncomingAuth) -> Authenticator:
        """The authenticator for some settings: the one there is where they are those of the last time."""
        if self._current is None or self._current[0] != settings:
            self._current = (settings, _build(settings))
        return self._current[1]


def _build(settings: IncomingAuth) -> Authenticator:
    match settings.type:
        case IncomingAuthType.ANONYMOUS:
            return AnonymousAuthenticator()
        case IncomingAuthType.LOCAL:
            return LocalAuthenticator(operating_system_user())
        case IncomingAuthType.OIDC:
            raise NotImplementedError("no resource can say oidc yet")

"""The ids of a backend's requests on their way to clients, under the keys that are in force now."""

from collections.abc import Callable
from typing import Final

from vmcp_proxy.pods.reply_tokens import mint, open_token
from vmcp_proxy.sessions import Keyring, Session


class RequestIds:
    """See `core.server_requests.Ids`."""

    def __init__(self, pod: str, keyring: Callable[[], Keyring]) -> None:
        self._pod: Final = pod
        self._keyring: Final = keyring

    def mint(self, session: Session, number: int) -> str:
        """See `Ids.mint`."""
        return mint(self._keyring(), session.digest, self._pod, number)

    def read(self, session: Session, text: str) -> tuple[str, int] | None:
        """See `Ids.read`."""
        return open_token(self._keyring(), session.digest, text)

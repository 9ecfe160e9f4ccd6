"""The caller's own headers, shown to one backend that has no other credentials."""

from dataclasses import dataclass

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.outgoing.errors import RelayRefusedError
from vmcp_proxy.headerforward import HeaderSnapshot


@dataclass(frozen=True, slots=True)
class Relay:
    """Which headers of the caller go there, by canonical name; `audience` is what its tokens call the backend."""

    names: frozenset[str]
    audience: str | None = None

    def refusal(self, identity: Identity, snapshot: HeaderSnapshot) -> RelayRefusedError | None:
        """Why the headers of a snapshot may not go there for this caller; `None` where they may (ADR-0040).

        Where an authorization server vouches for the caller, its token has to be for the backend as well: a backend
        must not get what opens this endpoint, and the others behind it, from somebody who never meant it to. That
        holds for the token that the headers came with, which is another than the present one when a session's
        headers are those of its first request, and for the present one, which must not be served what another opens.
        """
        asked, brought = identity.audiences, snapshot.audiences
        if not self._is_named_by(asked):
            return RelayRefusedError.of_caller()
        is_alike = (asked is None) is (brought is None)
        if snapshot.relayed(self.names) and not (is_alike and self._is_named_by(brought)):
            return RelayRefusedError.of_headers()
        return None

    def _is_named_by(self, audiences: frozenset[str] | None) -> bool:
        """Whether a token is for the backend; `None` stands for no token, where none is asked for."""
        return audiences is None or self.audience in audiences

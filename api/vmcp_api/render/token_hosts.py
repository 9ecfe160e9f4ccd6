"""Which hosts may get what callers came with, where an MCPExternalAuthConfig says so (ADR-0049)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vmcp_api.kinds.strategies import StrategySpec
from vmcp_api.manifests.problems import Loc
from vmcp_api.spec.incoming import OidcSettings

_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}
_URL: Final = re.compile(r"(?:(https?)://)?(\[[^\s\]]*\]|[^\s/?#@:\[\]\\]+)(?::([0-9]{1,5}))?(?:[/?].*)?")


def find_host(url: str) -> str | None:
    """The host of a URL as the list of a VirtualMCPServer says it: with `http://` only where it has no TLS.

    None where a URL has a form of which two readers might see different hosts.
    """
    found = _URL.fullmatch(url)
    if found is None:
        return None
    scheme, host, port = found[1] or "https", found[2].lower(), found[3]
    shown = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    return shown if scheme == "https" else f"http://{shown}"


@dataclass(frozen=True, slots=True)
class TokenHosts:
    """Hosts that may get what callers came with, each as `find_host` says it."""

    known: frozenset[str | None] = frozenset()

    @classmethod
    def of(cls, listed: Iterable[str], provider: OidcSettings | None) -> "TokenHosts":
        """Those that an endpoint lists, and the provider of its callers, which made or judges their tokens itself."""
        own = (provider.issuer, provider.introspection_url) if provider else ()
        return cls(frozenset(find_host(each) for each in (*listed, *own) if each))

    def __contains__(self, url: str) -> bool:
        host = find_host(url)
        return host is not None and host in self.known


def token_urls_for_callers(strategy: StrategySpec) -> Iterator[tuple[Loc, str]]:
    """Token endpoints that are shown a caller's token, or what was got for it, each with its place in the strategy."""
    if exchange := strategy.token_exchange:
        yield ("tokenExchange", "tokenUrl"), exchange.token_url
    if assertion := strategy.identity_assertion:
        yield ("identityAssertion", "idp", "tokenUrl"), assertion.idp.token_url
        yield ("identityAssertion", "tokenUrl"), assertion.token_url

"""Variables that name a forward proxy, which backends are not dialled through."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

from vmcp_api.config import Backend, ProxyConfig, Transport
from vmcp_api.manifests.problems import Problem, Problems, Severity
from vmcp_proxy.cli.serve.addresses import is_loopback

_VARIABLES: Final = {"https": ("HTTPS_PROXY", "ALL_PROXY"), "http": ("HTTP_PROXY", "ALL_PROXY")}


def find_unused_proxies(config: ProxyConfig, environ: Mapping[str, str]) -> Problems:
    """A warning where a variable names a forward proxy for backends that `NO_PROXY` does not except."""
    excepted = {"no": environ.get("no_proxy") or environ.get("NO_PROXY") or ""}
    meant = {backend.name: _variables_for(backend, environ, excepted) for backend in config.backends}
    dialled = sorted(name for name, variables in meant.items() if variables)
    if not dialled:
        return Problems()
    names = tuple(dict.fromkeys(variable for name in dialled for variable in meant[name]))
    verb = "names" if len(names) == 1 else "name"
    message = f"{', '.join(names)} {verb} a forward proxy, and backends are dialled without one: {', '.join(dialled)}"
    remedy = "let this machine reach them directly, or name their hosts in NO_PROXY if it does"
    return Problems.of(Problem(message, remedy, severity=Severity.WARNING))


def _variables_for(backend: Backend, environ: Mapping[str, str], excepted: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that are set and would name the forward proxy of a backend."""
    url = urlsplit(backend.url or "")
    host = url.hostname or ""
    if backend.transport is Transport.STDIO or is_loopback(host) or proxy_bypass_environment(host, dict(excepted)):
        return ()
    return tuple(name for each in _VARIABLES.get(url.scheme, ()) for name in (each, each.lower()) if environ.get(name))

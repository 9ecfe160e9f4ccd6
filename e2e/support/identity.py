"""Identity providers where pods reach them: a small one that tests hold in their hands, and a real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.ports import free_port
from e2e.cluster import Cluster
from e2e.keycloak.install import installed
from e2e.keycloak.launch import launch
from e2e.keycloak.server import Keycloak, running
from e2e.support.uplink import beside, uplink
from tests.support.idp import Idp

PORT = 18480
KEYCLOAK_PORT = 18481


@contextmanager
def provider(cluster: Cluster) -> Iterator[Idp]:
    """The small one, while the block runs; its issuer is the URL that pods use."""
    idp = Idp()
    with beside(idp.running()), uplink(cluster, idp.server.port, PORT) as origin:
        idp.origin = origin
        yield idp


@contextmanager
def real_provider(cluster: Cluster, folder: Path) -> Iterator[Keycloak]:
    """A Keycloak with its log in a folder, while the block runs; its realms' issuers are the URLs that pods use."""
    port = free_port()
    with uplink(cluster, port, KEYCLOAK_PORT) as origin:
        start = launch(installed(), "127.0.0.1", port, origin)
        with (
            running(start, folder / "keycloak.log"),
            httpx2.Client(base_url=origin, trust_env=False, timeout=60, transport=_Near(port)) as http,
        ):
            yield Keycloak(origin, http)


class _Near(httpx2.BaseTransport):
    """Reaches on this machine what pods reach at the node."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def bearer(token: str) -> dict[str, str]:
    """What a client that has a token sends."""
    return {"Authorization": f"Bearer {token}"}

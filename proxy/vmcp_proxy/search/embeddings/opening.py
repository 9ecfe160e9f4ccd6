"""The embedder of a config, where what it needs is installed."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from vmcp_api.secret import SecretBytes
from vmcp_api.spec.optimizer import Embeddings
from vmcp_proxy.http_client import HttpClient
from vmcp_proxy.search.ranking.static_files import NOT_INSTALLED, Unavailable

if TYPE_CHECKING:
    from vmcp_proxy.search.embeddings.embedder import Embedder


def open_embedder(client: HttpClient, settings: Embeddings, api_key: SecretBytes | None) -> "Embedder | Unavailable":
    """An embedder for these settings; with others, or another key, it has to be another one."""
    if find_spec("numpy") is None:
        return Unavailable(NOT_INSTALLED)
    # An installation without the extra has no numpy.
    from vmcp_proxy.search.embeddings.client import EmbeddingsClient  # noqa: PLC0415
    from vmcp_proxy.search.embeddings.embedder import Embedder  # noqa: PLC0415

    return Embedder(EmbeddingsClient(client, settings, api_key))

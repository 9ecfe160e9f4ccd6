"""The rules on tool search."""

from collections.abc import Iterator
from typing import Any, Final

from vmcp_api.headers import canonical_name, check_static_header
from vmcp_api.kinds.endpoint.optimizer import EmbeddingsSpec, VirtualMCPServerOptimizer
from vmcp_api.rules.credentials import LOOPBACK, goes_in_clear
from vmcp_api.rules.headers import plain_header_rules
from vmcp_api.rules.rule import Finding, require

_RESTRICTED: Final = "a header belongs to the connection to the server of embeddings; remove it"


def _find_headers(part: Any) -> Iterator[Finding]:
    field, headers = (
        ("headers", part.headers) if isinstance(part, EmbeddingsSpec) else ("embeddingHeaders", part.embedding_headers)
    )
    seen: set[str] = set()
    for name, value in headers.items():
        if text := check_static_header(name, value):
            yield (field, name), text.replace("between the proxy and the backend", "to the server of embeddings")
        elif name.lower() in seen:
            yield (field, name), f"{canonical_name(name)} is set twice (case does not count); remove one of them"
        seen.add(name.lower())


def _sends_one_key(embeddings: EmbeddingsSpec) -> bool:
    return embeddings.api_key_secret_ref is None or all(name.lower() != "authorization" for name in embeddings.headers)


OPTIMIZER_RULES: Final = (
    require(
        EmbeddingsSpec,
        ("url",),
        f"!has(self.apiKeySecretRef) || self.url.startsWith('https:') || self.insecureAllowHTTP ||"
        f" self.url.matches(r'{LOOPBACK}')",
        "takes the API key over the network without TLS; write https, or set insecureAllowHTTP for a trial",
        lambda embeddings: (
            embeddings.api_key_secret_ref is None or embeddings.insecure_allow_http or not goes_in_clear(embeddings.url)
        ),
    ),
    require(
        EmbeddingsSpec,
        ("headers",),
        "!has(self.apiKeySecretRef) || !has(self.headers) ||"
        " !self.headers.exists(name, name.lowerAscii() == 'authorization')",
        "hold Authorization, which apiKeySecretRef sets; remove one of the two",
        _sends_one_key,
    ),
    *plain_header_rules(EmbeddingsSpec, "headers", _RESTRICTED, _find_headers),
    *plain_header_rules(VirtualMCPServerOptimizer, "embeddingHeaders", _RESTRICTED, _find_headers),
    require(
        VirtualMCPServerOptimizer,
        ("embeddingService",),
        "!has(self.embeddings) || !has(self.embeddingService)",
        "stands beside embeddings, which says the same; remove it",
        lambda optimizer: optimizer.embeddings is None or optimizer.embedding_service is None,
    ),
)
"""The rules on tool search, and on the server of embeddings that it asks."""

"""Examples on both sides of the rules on tool search."""

from typing import Any

from tests.api.rulecase import RuleCase

KEY = {"name": "embeddings", "key": "apiKey"}
PLAIN = {"url": "http://tei.ns.svc:8080/v1"}


def _optimizer(**settings: Any) -> dict[str, Any]:
    return {"config": {"optimizer": settings}}


def _embeddings(**settings: Any) -> dict[str, Any]:
    return _optimizer(embeddings={"url": "https://embeddings.example.com/v1", **settings})


def _case(path: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    return RuleCase("VirtualMCPServer", f"spec.config.optimizer.{path}", words, rejected, accepted)


OPTIMIZER_CASES = (
    _case(
        "embeddings.url",
        "over the network without TLS",
        _embeddings(**PLAIN, apiKeySecretRef=KEY),
        _embeddings(**PLAIN, apiKeySecretRef=KEY, insecureAllowHTTP=True),
    ),
    _case(
        "embeddings.url",
        "over the network without TLS",
        _embeddings(url="http://localhost.example.com", apiKeySecretRef=KEY),
        _embeddings(url="http://localhost:8080/v1", apiKeySecretRef=KEY),
    ),
    _case("embeddings.url", "over the network", _embeddings(**PLAIN, apiKeySecretRef=KEY), _embeddings(**PLAIN)),
    _case(
        "embeddings.headers",
        "which apiKeySecretRef sets",
        _embeddings(headers={"authorization": "x"}, apiKeySecretRef=KEY),
        _embeddings(headers={"authorization": "x"}),
    ),
    _case("embeddings.headers['X Y']", "such as X-Api-Key", _embeddings(headers={"X Y": "x"}), _embeddings(headers={})),
    _case(
        "embeddings.headers['Content-Type']",
        "remove it",
        _embeddings(headers={"Content-Type": "x"}),
        _embeddings(headers={"Content": "x"}),
    ),
    _case("embeddings.headers.A", "line break", _embeddings(headers={"A": "a\nb"}), _embeddings(headers={"A": "a b"})),
    _case(
        "embeddings.apiKeySecretRef.name",
        "session keys of an endpoint",
        _embeddings(apiKeySecretRef={"name": "vmcp-front-keys", "key": "1"}),
        _embeddings(apiKeySecretRef=KEY),
    ),
    _case(
        "embeddingHeaders.Host",
        "remove it",
        _optimizer(embeddingService="http://e", embeddingHeaders={"Host": "x"}),
        _optimizer(embeddingService="http://e", embeddingHeaders={"X-A": "x"}),
    ),
    _case(
        "embeddingService",
        "stands beside embeddings",
        _optimizer(embeddingService="http://e", embeddings={"url": "https://e"}),
        _optimizer(embeddings={"url": "https://e"}),
    ),
    _case(
        "hybridSearchSemanticRatio",
        "has the wrong form; write a decimal number as text",
        _optimizer(hybridSearchSemanticRatio="half"),
        _optimizer(hybridSearchSemanticRatio=".5", semanticDistanceThreshold="1"),
    ),
)

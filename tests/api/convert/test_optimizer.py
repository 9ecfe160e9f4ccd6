"""Tool search of ToolHive: what is ranked by a server of embeddings there, and in the process here."""

from typing import Any

import pytest

from tests.api.convert.manifests import added, changed, endpoint, lost, only

pytestmark = pytest.mark.scenario("K-17")

URL = "http://gateway.ns.svc:8080/v1"
KEY = {"name": "embedding-api-key", "key": "apiKey"}


def openai(**settings: Any) -> dict[str, Any]:
    return {"optimizer": {"embeddingProvider": "openai", "embeddingService": URL, "embeddingModel": "m", **settings}}


def template(**variable: Any) -> dict[str, Any]:
    container = {"name": "vmcp", "env": [{"name": "OTHER", "value": "x"}, {"name": "OPENAI_API_KEY", **variable}]}
    return {"podTemplateSpec": {"spec": {"containers": [container]}}}


def test_a_reference_to_an_embedding_server_becomes_tool_search_that_needs_none():
    result, told = only(endpoint(embeddingServerRef={"name": "tei"}))
    assert result["spec"]["config"] == {"optimizer": {"threshold": 0}}
    assert "embeddingServerRef" not in result["spec"]
    assert changed(told)["spec.embeddingServerRef.name"] == "spec.config.optimizer"
    assert added(told) == ["spec.config.optimizer.threshold"]
    assert lost(told) == {}


def test_settings_of_a_ranking_that_is_fused_here_have_their_sentence():
    ratio = {"hybridSearchSemanticRatio": "0.7", "semanticDistanceThreshold": "0.8"}
    asked = {"optimizer": {"embeddingServiceTimeout": "45s", "maxToolsToReturn": 10, **ratio}}
    result, told = only(endpoint(config=asked, embeddingServerRef={"name": "tei"}))
    assert result["spec"]["config"]["optimizer"] == {"maxToolsToReturn": 10, "threshold": 0}
    went = changed(told)
    assert went["spec.embeddingServerRef.name"] is None
    assert went["spec.config.optimizer.embeddingServiceTimeout"] is None
    said = lost(told)
    assert set(said) == {
        "spec.config.optimizer.hybridSearchSemanticRatio",
        "spec.config.optimizer.semanticDistanceThreshold",
    }
    assert "there is no share to choose; leave it out" in said["spec.config.optimizer.hybridSearchSemanticRatio"]


def test_a_tei_service_is_asked_by_its_openai_compatible_api():
    service = {"embeddingService": "http://tei.ns.svc:8080", "embeddingServiceTimeout": "45s", "embeddingModel": ""}
    result, told = only(endpoint(config={"optimizer": {"embeddingProvider": "tei", **service}}))
    assert result["spec"]["config"]["optimizer"]["embeddings"] == {
        "url": "http://tei.ns.svc:8080/v1",
        "allowPrivateEndpoint": True,
        "timeout": "45s",
    }
    went = changed(told)
    assert went["spec.config.optimizer.embeddingService"] == "spec.config.optimizer.embeddings.url"
    assert went["spec.config.optimizer.embeddingProvider"] is None
    assert lost(told) == {}


def test_the_api_key_of_an_openai_service_is_named_where_it_is_read():
    source = {"valueFrom": {"secretKeyRef": {**KEY, "optional": True}}}
    result, told = only(endpoint(config=openai(embeddingHeaders={"x-cache-key": "c"}), **template(**source)))
    assert result["spec"]["config"]["optimizer"]["embeddings"] == {
        "url": URL,
        "allowPrivateEndpoint": True,
        "model": "m",
        "headers": {"x-cache-key": "c"},
        "apiKeySecretRef": KEY,
        "insecureAllowHTTP": True,
    }
    (container,) = result["spec"]["podTemplateSpec"]["spec"]["containers"]
    assert container == {"name": "vmcp", "env": [{"name": "OTHER", "value": "x"}]}
    place = "spec.podTemplateSpec.spec.containers[0].env[1]"
    went = changed(told)
    assert went[f"{place}.valueFrom.secretKeyRef.name"] == "spec.config.optimizer.embeddings.apiKeySecretRef.name"
    assert went[f"{place}.name"] is None
    assert lost(told) == {}


def test_an_api_key_that_stands_in_the_manifest_is_not_taken_over():
    result, told = only(endpoint(config=openai(), **template(value="canary")))
    assert "canary" not in str(result)
    words = lost(told)["spec.podTemplateSpec.spec.containers[0].env[1].value"]
    assert "write the key into a Secret, and its name in spec.config.optimizer.embeddings.apiKeySecretRef" in words


def test_an_optimizer_that_is_no_object_is_left_to_the_validator():
    result, told = only(endpoint(config={"optimizer": "on"}, embeddingServerRef={"name": "tei"}))
    assert "config" not in result["spec"]
    assert "spec.config.optimizer" in lost(told)

"""Rendering of tool search: our settings as they are, those of ToolHive in our words, broken ones told."""

import pytest

from tests.api.manifests import team
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.render import Mode, Rendered, decode_config, encode_config, render
from vmcp_api.render.secretrefs import secret_uses
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.network import Network
from vmcp_api.spec.optimizer import Embeddings, Optimizer

URL = "https://embeddings.example.com/v1"
KEY = {"name": "embeddings", "key": "apiKey"}
SECRET = Secret("embeddings", "ns", {"apiKey": SecretBytes(b"canary")})


def rendered(*objects, mode: Mode = Mode.CLUSTER, optimizer=None, **spec) -> Rendered:
    config = {} if optimizer is None else {"config": {"optimizer": optimizer}}
    result = render(team(*objects, reads_secrets=mode is Mode.LOCAL, **config, **spec), "front", mode=mode)
    assert isinstance(result, Rendered), str(result)
    return result


def optimizer_of(result: Rendered) -> Optimizer | None:
    """What a proxy reads of the config."""
    config = decode_config(encode_config(result.config), "config.json")
    return config.config.optimizer


def embeddings(**changed):
    return {"embeddings": {"url": URL, **changed}}


def with_variable(name="OPENAI_API_KEY", container="vmcp", source=None):
    env = [{"name": "OTHER", "value": "x"}, {"name": name, "valueFrom": source or {"secretKeyRef": KEY}}]
    return {"podTemplateSpec": {"spec": {"containers": [{"name": "sidecar"}, {"name": container, "env": env}]}}}


def test_tool_search_is_off_unless_it_is_asked_for_and_its_presence_switches_it_on():
    assert optimizer_of(rendered()) is None
    found = optimizer_of(rendered(optimizer={}))
    assert found == Optimizer(enabled=True, threshold=20, max_tools_to_return=8)
    assert optimizer_of(rendered(optimizer={"enabled": False})).enabled is False


@pytest.mark.parametrize(
    ("mode", "spec", "network"),
    [
        (Mode.CLUSTER, {}, Network.PUBLIC),
        (Mode.CLUSTER, {"allowPrivateEndpoint": True}, Network.PRIVATE),
        (Mode.LOCAL, {}, Network.LOCAL),
    ],
)
def test_a_server_of_embeddings_is_told_with_how_it_may_be_reached_and_never_with_its_key(mode, spec, network):
    told = {"model": "m", "timeout": "5s", "apiKeySecretRef": KEY, "headers": {"X-A": "b"}, **spec}
    result = rendered(SECRET, mode=mode, optimizer={"alwaysVisible": ["a"], **embeddings(**told)})
    found = optimizer_of(result)
    assert found.always_visible == ("a",)
    assert found.embeddings == Embeddings(
        url=URL, model="m", timeout=5.0, api_key_secret_ref=KEY, headers={"X-A": "b"}, network=network
    )
    (use,) = secret_uses(result.config)
    assert (use.ref.name, use.ref.key, use.is_sent) == ("embeddings", "apiKey", True)
    assert set(result.secrets) == ({("embeddings", "apiKey")} if mode is Mode.LOCAL else set())
    assert "canary" not in encode_config(result.config)
    assert not result.warnings
    assert not result.embeddings


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/embeddings"),
        ("https://e", "https://e/embeddings"),
        ("https://e/deployments/d/embeddings?api-version=1", "https://e/deployments/d/embeddings?api-version=1"),
        ("https://e/deployments/d?api-version=1", "https://e/deployments/d/embeddings?api-version=1"),
    ],
)
def test_vectors_are_asked_for_at_the_end_of_the_base_url(url, endpoint):
    assert Embeddings(url=url).endpoint == endpoint


def test_an_embedding_server_of_toolhive_switches_tool_search_on_and_is_told_to_be_of_no_need():
    result = rendered(embeddingServerRef={"name": "tei"})
    assert optimizer_of(result) == Optimizer()
    (warning,) = result.warnings
    assert str(warning) == (
        "warning: VirtualMCPServer/front: spec.embeddingServerRef: the EmbeddingServer 'tei' is not asked, as tools are"
        " ranked in the process; remove it, or write the URL of its Service with /v1 into"
        " spec.config.optimizer.embeddings.url"
    )


def test_an_optimizer_that_is_switched_off_stays_off_beside_an_embedding_server():
    assert optimizer_of(rendered(optimizer={"enabled": False}, embeddingServerRef={"name": "tei"})).enabled is False


@pytest.mark.parametrize("provider", [{}, {"embeddingProvider": "tei"}])
def test_a_tei_server_of_toolhive_is_asked_by_its_openai_compatible_api(provider):
    service = {"embeddingService": "http://tei.ns.svc.cluster.local:8080/", "embeddingServiceTimeout": "45s"}
    result = rendered(optimizer={**service, **provider, "maxToolsToReturn": 10}, **with_variable())
    found = optimizer_of(result)
    assert found.max_tools_to_return == 10
    assert found.embeddings == Embeddings(
        url="http://tei.ns.svc.cluster.local:8080/v1", timeout=45.0, network=Network.PRIVATE, insecure_allow_http=True
    )
    assert found.embeddings.endpoint == "http://tei.ns.svc.cluster.local:8080/v1/embeddings"
    assert not result.warnings


def openai(**changed):
    service = {"embeddingProvider": "openai", "embeddingService": URL, "embeddingModel": "small"}
    return {**service, "embeddingHeaders": {"x-cache-key": "c"}, **changed}


def test_an_openai_service_of_toolhive_is_asked_with_the_key_that_its_pod_template_names():
    found = optimizer_of(rendered(optimizer=openai(), **with_variable())).embeddings
    assert (found.url, found.model, found.headers) == (URL, "small", {"x-cache-key": "c"})
    assert found.api_key_secret_ref.model_dump() == KEY


@pytest.mark.parametrize(
    "template",
    [
        {},
        with_variable(name="OTHER_KEY"),
        with_variable(container="sidecar"),
        with_variable(source={"fieldRef": {"fieldPath": "spec.nodeName"}}),
        with_variable(source={"secretKeyRef": {"name": "a b", "key": "c"}}),
        with_variable(source={"secretKeyRef": "embeddings"}),
        {"podTemplateSpec": {"spec": {"containers": {}}}},
        {"podTemplateSpec": {"spec": None}},
    ],
)
def test_a_pod_template_without_such_a_key_gives_none(template):
    assert optimizer_of(rendered(optimizer=openai(), **template)).embeddings.api_key_secret_ref is None


@pytest.mark.parametrize(
    ("optimizer", "path", "words"),
    [
        ({"hybridSearchSemanticRatio": "0.7"}, "hybridSearchSemanticRatio", "there is no share to choose; remove it"),
        ({"semanticDistanceThreshold": "1"}, "semanticDistanceThreshold", "weak answers are marked"),
        ({"embeddingServiceTimeout": "30s"}, "embeddingServiceTimeout", "write embeddings with the url of a server"),
        ({"embeddingProvider": "tei"}, "embeddingProvider", "has no effect without embeddingService"),
        ({"embeddingModel": "m"}, "embeddingModel", "has no effect without embeddingService"),
        ({"embeddingHeaders": {"a": "b"}}, "embeddingHeaders", "has no effect without embeddingService"),
        ({"alwaysVisible": ["a", "call_tool"]}, "alwaysVisible[1]", "is listed in any case"),
    ],
)
def test_what_does_nothing_is_taken_and_told(optimizer, path, words):
    result = rendered(optimizer=optimizer)
    assert optimizer_of(result)
    (warning,) = result.warnings
    assert str(warning).startswith(f"warning: VirtualMCPServer/front: spec.config.optimizer.{path}: ")
    assert words in str(warning)


@pytest.mark.parametrize(
    ("objects", "changed", "path", "words", "reason"),
    [
        (
            (),
            {"caBundleRef": {"configMapRef": {"name": "roots"}}},
            "caBundleRef.configMapRef.name",
            "ConfigMap 'roots' does not exist",
            "CaBundleNotFound",
        ),
        (
            (ConfigMap("roots", "ns", {"ca.crt": "no certificate"}),),
            {"caBundleRef": {"configMapRef": {"name": "roots"}}},
            "caBundleRef.configMapRef.key",
            "key 'ca.crt' of ConfigMap 'roots'",
            "CaBundleInvalid",
        ),
        ((), {"apiKeySecretRef": KEY}, "apiKeySecretRef.name", "Secret 'embeddings' does not exist", "SecretNotFound"),
        (
            (Secret("embeddings", "ns", {"apiKey": SecretBytes(b"can\nary")}),),
            {"apiKeySecretRef": KEY},
            "apiKeySecretRef.key",
            "line break",
            "SecretInvalid",
        ),
    ],
)
def test_a_broken_reference_leaves_out_the_server_of_embeddings_and_nothing_else(objects, changed, path, words, reason):
    result = rendered(*objects, mode=Mode.LOCAL, optimizer={"threshold": 3, **embeddings(**changed)})
    assert optimizer_of(result) == Optimizer(threshold=3)
    assert result.embeddings.reason == reason
    (warning,) = result.warnings
    assert str(warning).startswith(f"warning: VirtualMCPServer/front: spec.config.optimizer.embeddings.{path}: ")
    assert words in str(warning)
    assert "ary" not in str(warning)

"""Rendering: from resources to the proxy's config, in a cluster and on one machine."""

import pytest

from tests.api.manifests import build, team
from tests.support.certificates import CA_CERTIFICATE
from vmcp_api.config import Network, Transport
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import Mode, Rendered, render
from vmcp_api.secret import SecretBytes

COMMAND = "vmcp.dev/local-command"
URL = "vmcp.dev/local-url"
STATIC = {"addPlaintextHeaders": {"x-team": "a"}}


def from_secret(name: str = "keys", key: str = "api") -> dict:
    return {"addHeadersFromSecret": [{"headerName": "X-Key", "valueSecretRef": {"name": name, "key": key}}]}


def keys(**data: str) -> Secret:
    return Secret("keys", "ns", {key: SecretBytes(value.encode()) for key, value in data.items()})


def rendered(resources, mode: Mode = Mode.CLUSTER) -> Rendered:
    result = render(resources, "front", mode=mode)
    assert isinstance(result, Rendered), str(result)
    return result


def withheld(result: Rendered) -> list[tuple[str, str]]:
    return [(entry.name, entry.reason) for entry in result.config.withheld]


@pytest.mark.parametrize("mode", Mode)
def test_members_are_sorted_by_name_whatever_their_kind_or_order(mode):
    servers = [build("MCPServer", name, annotations={COMMAND: "run"}) for name in ("c", "a")]
    result = rendered(team(build("MCPServerEntry", "b"), *servers), mode)
    assert [backend.name for backend in result.config.backends] == ["a", "b", "c"]
    assert result.warnings == Problems()


def test_members_of_other_groups_and_namespaces_are_not_served():
    other = build("MCPServerEntry", "b", groupRef={"name": "others"})
    lone = build("MCPServer", "c", groupRef=None)
    assert rendered(team(other, lone)).config.backends == ()


@pytest.mark.parametrize(
    ("spec", "url", "transport"),
    [
        ({}, "http://mcp-one.ns.svc:8080/mcp", Transport.STREAMABLE_HTTP),
        ({"transport": "sse"}, "http://mcp-one.ns.svc:8080/sse", Transport.SSE),
        ({"mcpPort": 9000, "path": "/v1"}, "http://mcp-one.ns.svc:9000/v1", Transport.STREAMABLE_HTTP),
    ],
)
def test_in_a_cluster_a_server_is_reached_by_its_service_only(spec, url, transport):
    (backend,) = rendered(team(build("MCPServer", **spec))).config.backends
    assert (backend.url, backend.transport, backend.network) == (url, transport, Network.CLUSTER)


@pytest.mark.parametrize(
    ("mode", "private", "network"),
    [
        (Mode.CLUSTER, False, Network.PUBLIC),
        (Mode.CLUSTER, True, Network.PRIVATE),
        (Mode.LOCAL, False, Network.LOCAL),
        (Mode.LOCAL, True, Network.LOCAL),
    ],
)
def test_an_entry_reaches_only_the_addresses_of_its_network(mode, private, network):
    (backend,) = rendered(team(build("MCPServerEntry", allowPrivateEndpoint=private)), mode).config.backends
    assert backend.network == network


@pytest.mark.parametrize("mode", Mode)
def test_two_members_of_one_name_are_both_withheld(mode):
    server = build("MCPServer", annotations={COMMAND: "run"})
    result = rendered(team(server, build("MCPServerEntry"), build("MCPServerEntry", "two")), mode)
    assert [backend.name for backend in result.config.backends] == ["two"]
    assert withheld(result) == [("one", "NameClash"), ("one", "NameClash")]
    assert {problem.subject for problem in result.warnings} == {"MCPServer/one", "MCPServerEntry/one"}


@pytest.mark.scenario("H-5")
@pytest.mark.parametrize("mode", Mode)
def test_a_header_that_is_static_and_passed_through_withholds_the_backend_and_is_named(mode):
    entries = [build("MCPServerEntry", headerForward=STATIC), build("MCPServerEntry", "two")]
    result = rendered(team(*entries, passthroughHeaders=["X-TEAM"]), mode)
    assert withheld(result) == [("one", "HeaderCollision")]
    assert "X-Team" in result.config.withheld[0].message
    assert [backend.name for backend in result.config.backends] == ["two"]


def test_a_stdio_server_is_withheld_in_a_cluster_with_what_to_do():
    result = rendered(team(build("MCPServer", transport="stdio")))
    assert withheld(result) == [("one", "UnsupportedTransport")]
    assert "streamable-http" in result.config.withheld[0].message


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("python -m server --name 'a b'", ("python", "-m", "server", "--name", "a b")),
        ('["python", "-m", "a b"]', ("python", "-m", "a b")),
    ],
)
@pytest.mark.scenario("D-2")
def test_locally_a_server_is_the_command_of_its_annotation(text, command):
    (backend,) = rendered(team(build("MCPServer", annotations={COMMAND: text})), Mode.LOCAL).config.backends
    assert (backend.transport, backend.command, backend.network) == (Transport.STDIO, command, Network.LOCAL)


@pytest.mark.parametrize("text", ["", "  ", "'open", "[1]", "[]", '["a"', '[""]', "[null]"])
def test_an_annotation_that_is_no_command_withholds_the_server(text):
    result = rendered(team(build("MCPServer", annotations={COMMAND: text})), Mode.LOCAL)
    assert withheld(result) == [("one", "InvalidLocalCommand")]


@pytest.mark.scenario("D-2")
def test_locally_a_server_is_the_url_of_its_annotation():
    server = build("MCPServer", annotations={URL: "http://localhost:1/mcp"}, headerForward=STATIC)
    (backend,) = rendered(team(server), Mode.LOCAL).config.backends
    assert (backend.url, backend.network) == ("http://localhost:1/mcp", Network.LOCAL)
    assert backend.header_forward.add_plaintext_headers == {"x-team": "a"}


def test_an_annotation_that_is_no_url_withholds_the_server():
    result = rendered(team(build("MCPServer", annotations={URL: "localhost:1"})), Mode.LOCAL)
    assert withheld(result) == [("one", "InvalidLocalCommand")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("vmcp.dev/local-comand", COMMAND), ("vmcp.dev/localCommand", COMMAND), ("vmcp.dev/local-uri", URL)],
)
def test_a_slip_in_the_name_of_an_annotation_is_told_as_that(written, meant):
    result = rendered(team(build("MCPServer", annotations={"a": "b", written: "run"})), Mode.LOCAL)
    (problem,) = result.warnings
    assert problem.path == f"metadata.annotations[{written!r}]"
    assert str(problem).endswith(f"is no annotation that is known here; did you mean {meant!r}?")


def test_a_server_without_annotation_is_withheld_locally_and_both_annotations_are_named():
    result = rendered(team(build("MCPServer")), Mode.LOCAL)
    assert withheld(result) == [("one", "NoLocalCommand")]
    assert COMMAND in result.config.withheld[0].message
    assert URL in result.config.withheld[0].message


def test_environment_comes_along_and_secret_values_stay_beside_the_config():
    server = build(
        "MCPServer",
        annotations={COMMAND: "run"},
        env=[{"name": "PLAIN", "value": "x"}],
        secrets=[{"name": "keys", "key": "api"}, {"name": "keys", "key": "api", "targetEnvName": "TOKEN"}],
    )
    result = rendered(team(server, keys(api="canary", unused="other")), Mode.LOCAL)
    (backend,) = result.config.backends
    assert backend.env == {"PLAIN": "x"}
    assert {name: (ref.name, ref.key) for name, ref in backend.env_from_secret.items()} == {
        "api": ("keys", "api"),
        "TOKEN": ("keys", "api"),
    }
    assert result.secrets == {("keys", "api"): SecretBytes(b"canary")}
    assert "canary" not in repr(result)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (from_secret("kyes"), "Secret 'kyes' does not exist in this namespace; create it, or name another"),
        (from_secret("keys", "apy"), "Secret 'keys' has no key 'apy'; did you mean 'api'?"),
    ],
)
def test_a_missing_secret_withholds_its_backend_and_is_named_with_what_there_is(header, said):
    result = rendered(team(build("MCPServerEntry", headerForward=header), keys(api="x")), Mode.LOCAL)
    assert withheld(result) == [("one", "SecretNotFound")]
    assert said in str(result.warnings)
    assert "did you mean" in str(result.warnings)


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("value", ["", "\r\n", "  ", "canary\nX: y", "canary\0", "canary-ä"])
def test_a_secret_that_holds_no_value_of_a_header_withholds_its_backend_and_is_named(value):
    entry = build("MCPServerEntry", headerForward=from_secret())
    result = rendered(team(entry, keys(api=value)), Mode.LOCAL)
    assert withheld(result) == [("one", "SecretInvalid")]
    assert "key 'api' of Secret 'keys' " in str(result.warnings)
    assert "addHeadersFromSecret[0].valueSecretRef.key" in str(result.warnings)
    assert "canary" not in str(result.warnings)
    assert withheld(rendered(team(entry, keys(api="fine\n")), Mode.LOCAL)) == []


def test_where_secrets_may_not_be_read_a_reference_is_passed_on_unchecked():
    resources = team(build("MCPServerEntry", headerForward=from_secret()), reads_secrets=False)
    result = rendered(resources)
    assert withheld(result) == []
    assert result.secrets == {}


def test_ca_certificates_are_copied_into_the_config():
    entry = build("MCPServerEntry", caBundleRef={"configMapRef": {"name": "ca"}})
    (backend,) = rendered(team(entry, ConfigMap("ca", "ns", {"ca.crt": CA_CERTIFICATE}))).config.backends
    assert backend.tls.ca_bundle == CA_CERTIFICATE


@pytest.mark.parametrize("data", [None, {"other": "PEM"}])
def test_a_missing_ca_bundle_withholds_its_backend(data):
    entry = build("MCPServerEntry", caBundleRef={"configMapRef": {"name": "ca"}})
    maps = [ConfigMap("ca", "ns", data)] if data else []
    assert withheld(rendered(team(entry, *maps))) == [("one", "CaBundleNotFound")]


@pytest.mark.parametrize(
    "text",
    ["", "pem", "\u00e9", CA_CERTIFICATE[:200], CA_CERTIFICATE.replace("M", "?"), "-----BEGIN CERTIFICATE-----"],
    ids=["empty", "word", "no ASCII", "cut off", "no base64", "first line"],
)
def test_a_ca_bundle_that_tls_does_not_take_withholds_its_backend_and_says_what_belongs_there(text):
    entry = build("MCPServerEntry", caBundleRef={"configMapRef": {"name": "ca"}})
    result = rendered(team(entry, ConfigMap("ca", "ns", {"ca.crt": text})))
    assert withheld(result) == [("one", "CaBundleInvalid")]
    assert "key 'ca.crt' of ConfigMap 'ca' holds no usable PEM certificate; put PEM there" in str(result.warnings)


@pytest.mark.parametrize(
    "text", [f"# Főtanúsítvány\n{CA_CERTIFICATE}", CA_CERTIFICATE * 2, CA_CERTIFICATE.replace("\n", "\r\n")]
)
def test_a_ca_bundle_may_hold_what_tls_ignores_and_several_certificates(text):
    entry = build("MCPServerEntry", caBundleRef={"configMapRef": {"name": "ca"}})
    assert withheld(rendered(team(entry, ConfigMap("ca", "ns", {"ca.crt": text})))) == []


def test_a_client_certificate_needs_both_of_its_keys():
    entry = build("MCPServerEntry", tls={"clientCertificateRef": {"name": "pair"}})
    whole = {"tls.crt": SecretBytes(b"c"), "tls.key": SecretBytes(b"k")}
    result = rendered(team(entry, Secret("pair", "ns", whole)), Mode.LOCAL)
    assert set(result.secrets) == {("pair", "tls.crt"), ("pair", "tls.key")}
    half = {"tls.crt": SecretBytes(b"c")}
    assert withheld(rendered(team(entry, Secret("pair", "ns", half)), Mode.LOCAL)) == [("one", "SecretNotFound")]


def test_a_missing_group_is_an_error_that_lists_what_exists():
    problems = render(team(groupRef={"name": "taem"}), "front", mode=Mode.CLUSTER)
    assert isinstance(problems, Problems)
    assert str(problems) == (
        "VirtualMCPServer/front: spec.groupRef.name: MCPGroup 'taem' does not exist in this namespace; "
        "create it, or name another (did you mean 'team'?)"
    )


def test_a_server_that_does_not_exist_is_an_error_that_lists_what_exists():
    problems = render(team(), "back", mode=Mode.CLUSTER)
    assert isinstance(problems, Problems)
    assert "known VirtualMCPServers: front" in str(problems)


def test_redis_references_are_followed_before_anything_is_rendered():
    storage = {
        "provider": "redis",
        "address": "r:1",
        "mode": "sentinel",
        "masterName": "m",
        "passwordRef": {"name": "keys", "key": "password"},
        "sentinelPasswordRef": {"name": "keys", "key": "sentinel"},
        "tls": {"enabled": True, "caBundleRef": {"name": "ca", "key": "ca.crt"}},
    }
    missing = render(team(sessionStorage=storage), "front", mode=Mode.LOCAL)
    assert isinstance(missing, Problems)
    assert [problem.path for problem in missing] == [
        "spec.sessionStorage.passwordRef.name",
        "spec.sessionStorage.sentinelPasswordRef.name",
        "spec.sessionStorage.tls.caBundleRef.name",
    ]
    there = (keys(password="x", sentinel="y"), ConfigMap("ca", "ns", {"ca.crt": "PEM"}))
    result = rendered(team(*there, sessionStorage=storage), Mode.LOCAL)
    assert result.config.session_storage.tls.ca_bundle == "PEM"
    assert set(result.secrets) == {("keys", "password"), ("keys", "sentinel")}


def test_settings_for_backends_that_do_not_exist_are_warnings_at_their_place():
    config = {
        "aggregation": {
            "tools": [{"workload": "oen"}],
            "conflictResolutionConfig": {"priorityOrder": ["one", "two"]},
        },
        "operational": {"timeouts": {"perWorkload": {"three": "1s"}}},
    }
    result = rendered(team(build("MCPServerEntry"), config=config))
    assert [problem.path for problem in result.warnings] == [
        "spec.config.aggregation.tools[0].workload",
        "spec.config.aggregation.conflictResolutionConfig.priorityOrder[1]",
        "spec.config.operational.timeouts.perWorkload.three",
    ]
    assert "did you mean 'one'?" in str(result.warnings)


def test_passing_headers_through_for_anonymous_callers_warns_about_the_session_id():
    result = rendered(team(passthroughHeaders=["X-Team"]))
    assert [problem.path for problem in result.warnings] == ["spec.passthroughHeaders"]
    assert result.config.passthrough_headers == ("X-Team",)


def test_an_empty_group_renders_an_endpoint_without_backends():
    assert rendered(team()).config.backends == ()


def test_more_members_than_a_config_holds_are_refused():
    entries = [build("MCPServerEntry", f"e{number}") for number in range(257)]
    problems = render(team(*entries), "front", mode=Mode.CLUSTER)
    assert isinstance(problems, Problems)
    assert "more than 256 members" in str(problems)


def test_a_circuit_breaker_that_is_switched_on_stands_in_the_config_without_a_warning():
    breaker = {"enabled": True, "failureThreshold": 7, "timeout": "90s"}
    config = {"operational": {"failureHandling": {"circuitBreaker": breaker}}}
    result = rendered(team(build("MCPServerEntry", "b"), config=config))
    assert not result.warnings
    taken = result.config.config.operational.failure_handling.circuit_breaker
    assert (taken.enabled, taken.failure_threshold, taken.timeout) == (True, 7, 90.0)

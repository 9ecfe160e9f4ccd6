"""What callers came with goes to hosts that the endpoint's owner knows of, and session keys nowhere (ADR-0049)."""

import pytest

from tests.api.authcases import CLIENT, strategy
from tests.api.manifests import build, problems_of, team
from tests.api.test_render_auth import OIDC, OWN, PROVIDER, REFERENCE, config, refused, rendered, shown
from vmcp_api.kinds.foreign.core import Secret
from vmcp_api.render import Mode, Rendered, Unguarded, render, render_parts
from vmcp_api.render.token_hosts import find_host
from vmcp_api.secret import SecretBytes

ELSEWHERE = "https://sts.example.net:8443/token"
FOREIGN = {
    "exchange": strategy("tokenExchange", tokenUrl=ELSEWHERE),
    "assertion": strategy("identityAssertion", tokenUrl=ELSEWHERE),
    "assertion of another provider": strategy("identityAssertion", idp={**CLIENT, "tokenUrl": ELSEWHERE}),
}
RELAY = strategy("relay", audience="files")
SECRET = Secret("s", "ns", {"k": SecretBytes(b"x")})
KEYS = {"name": "vmcp-front-keys", "key": "1"}


def of_callers(*hosts, **more):
    return {"incomingAuth": OIDC, "outgoingAuth": {"allowedTokenHosts": list(hosts), **more}}


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("said", FOREIGN.values(), ids=FOREIGN)
def test_a_shared_strategy_sends_tokens_of_callers_to_no_host_that_the_endpoint_does_not_name(said, mode):
    known = (PROVIDER, SECRET)
    by_itself = (build("MCPServerEntry", **OWN), config(**said), *known)
    reason, message = refused(rendered(*by_itself, mode=mode, **of_callers()))
    assert reason == "TokenHostNotAllowed"
    assert message.startswith("MCPExternalAuthConfig/keys: spec.")
    assert "would send tokens of callers to sts.example.net:8443, which is not in outgoingAuth.allowed" in message
    assert "add sts.example.net:8443 to that list" in message
    # The endpoint's own reference changes nothing: what it leads to is written by somebody else.
    named = of_callers(backends={"one": REFERENCE})
    assert refused(rendered(build("MCPServerEntry"), config(**said), *known, mode=mode, **named))[0] == reason

    for host in ("STS.example.net:8443", "https://sts.example.net:8443"):
        assert shown(rendered(*by_itself, mode=mode, **of_callers(host)))
    # What stands in the endpoint itself is its owner's word.
    assert shown(rendered(build("MCPServerEntry"), *known, mode=mode, **of_callers(backends={"one": said})))


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("incoming", [OIDC, {"type": "anonymous"}], ids=["oidc", "anonymous"])
@pytest.mark.parametrize(
    ("kind", "host"), [("MCPServerEntry", "mcp.example.com"), ("MCPServer", "http://mcp-one.ns.svc:8080")]
)
def test_a_shared_strategy_relays_headers_of_callers_to_no_backend_that_the_endpoint_does_not_name(
    kind, host, incoming
):
    by_itself = (build(kind, **OWN), config(**RELAY), PROVIDER)
    reason, message = refused(rendered(*by_itself, incomingAuth=incoming))
    assert reason == "RelayNotAllowed"
    assert f"would relay headers of callers to {host}, which is not in outgoingAuth.allowedTokenHosts" in message
    assert f"write relay under outgoingAuth.backends.one there, or add {host} to that list" in message
    allowed = {"outgoingAuth": {"allowedTokenHosts": [host]}}
    assert shown(rendered(*by_itself, incomingAuth=incoming, **allowed)).relay
    own = {"outgoingAuth": {"backends": {"one": RELAY}}}
    assert shown(rendered(build(kind), PROVIDER, incomingAuth=incoming, **own)).relay


@pytest.mark.parametrize("url", ["https://idp.example.com/other", "https://ask.example.com/token"])
def test_the_provider_of_the_callers_has_their_tokens_anyway(url):
    provider = build(
        "MCPOIDCConfig",
        "idp",
        inline={
            "issuer": "https://idp.example.com",
            "introspectionUrl": "https://ask.example.com/introspect",
            "clientId": "vmcp",
            "clientSecretRef": CLIENT["clientSecretRef"],
        },
    )
    shared = config(**strategy("tokenExchange", tokenUrl=url))
    assert shown(rendered(build("MCPServerEntry", **OWN), shared, provider, **of_callers()))


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/token",
        "https://idp.example.com:444/token",
        "https://idp.example.com.example.net/token",
        "https://idp.example.com./token",
        r"https://idp.example.com\.example.net/token",
        "https://sub.idp.example.com/token",
        "https://\u0131dp.example.com/token",
    ],
)
def test_what_only_looks_like_the_provider_is_not_it(url):
    said = strategy("tokenExchange", tokenUrl=url, insecureAllowHTTP=True)
    reason, _ = refused(rendered(build("MCPServerEntry", **OWN), config(**said), PROVIDER, **of_callers()))
    assert reason == "TokenHostNotAllowed"


@pytest.mark.parametrize("place", ["idp.example.com:", "idp.example.com:x", "[idp.example.com]"])
def test_a_host_or_port_that_is_none_cannot_be_written_at_all(place):
    said = strategy("tokenExchange", tokenUrl=f"https://{place}/token")
    problems = problems_of("MCPExternalAuthConfig", **said)
    assert [each.path for each in problems] == ["spec.tokenExchange.tokenUrl"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://IDP.example.com:443/token", "idp.example.com"),
        ("https://idp.example.com?x", "idp.example.com"),
        ("http://idp.example.com:80", "http://idp.example.com"),
        ("http://idp.example.com:443/", "http://idp.example.com:443"),
        ("https://[2001:DB8::1]:8443/", "[2001:db8::1]:8443"),
        ("idp.example.com:8443", "idp.example.com:8443"),
        ("https://user@idp.example.com/", None),
        ("https:///token", None),
    ],
)
def test_a_host_is_said_as_the_list_takes_it(url, host):
    assert find_host(url) == host
    if host:
        assert not problems_of("VirtualMCPServer", outgoingAuth={"allowedTokenHosts": [host]})
        assert find_host(host) == host


def test_while_the_provider_cannot_be_told_the_one_in_force_counts():
    """Else a provider that somebody deletes would take the backends away with it."""
    entry, shared = build("MCPServerEntry", **OWN), config(**strategy("tokenExchange"))
    before = rendered(entry, shared, PROVIDER, **of_callers())
    broken = team(entry, shared, **of_callers())
    kept = render_parts(broken, "front", mode=Mode.CLUSTER, live=before.config)
    assert isinstance(kept, Unguarded)
    assert kept.guarded_by(before.config).config == before.config
    new = render_parts(broken, "front", mode=Mode.CLUSTER)
    assert isinstance(new, Unguarded)
    assert [each.reason for each in new.rest.config.withheld] == ["TokenHostNotAllowed"]


def test_a_program_on_this_machine_is_relayed_nothing_and_needs_no_entry():
    server = build("MCPServer", annotations={"vmcp.dev/local-command": "run"}, **OWN)
    result = render(team(server, config(**RELAY)), "front", mode=Mode.LOCAL)
    assert isinstance(result, Rendered)
    assert [backend.outgoing_auth for backend in result.config.backends] == [None]


@pytest.mark.scenario("S-4")
@pytest.mark.parametrize(
    ("path", "spec"),
    [
        (
            "spec.podTemplateSpec.spec.volumes[0].secret.secretName",
            {"volumes": [{"name": "v", "secret": {"secretName": KEYS["name"]}}]},
        ),
        (
            "spec.podTemplateSpec.spec.volumes[0].projected.sources[1].secret.name",
            {"volumes": [{"name": "v", "projected": {"sources": [{}, {"secret": {"name": KEYS["name"]}}]}}]},
        ),
        (
            "spec.podTemplateSpec.spec.containers[0].env[0].valueFrom.secretKeyRef.name",
            {"containers": [{"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": KEYS}}]}]},
        ),
        (
            "spec.podTemplateSpec.spec.initContainers[0].envFrom[0].secretRef.name",
            {"initContainers": [{"name": "c", "envFrom": [{"secretRef": {"name": KEYS["name"]}}]}]},
        ),
    ],
)
@pytest.mark.parametrize("kind", ["VirtualMCPServer", "MCPServer"])
def test_no_pod_template_takes_session_keys_out_of_their_secret(kind, path, spec):
    problems = problems_of(kind, podTemplateSpec={"spec": spec})
    assert [problem.path for problem in problems] == [path]
    assert "is a Secret with the session keys of an endpoint" in str(problems)
    text = str({"spec": spec}).replace(KEYS["name"], "vmcp-keys")
    assert not problems_of(kind, podTemplateSpec=eval(text))

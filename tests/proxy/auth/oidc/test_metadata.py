"""What a client learns of the endpoint before it has a token (RFC 9728)."""

import contextlib

import pytest

from tests.proxy.auth.oidc.helpers import challenge_of, door, oidc
from tests.proxy.serve.parts import in_whole
from tests.support.idp import Idp
from tests.support.plain_http import http_client
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.auth.incoming.protected_resource import ProtectedResource, RequestAddress
from vmcp_proxy.run.settings import Settings

DOCUMENT = "/.well-known/oauth-protected-resource"
CLUSTER = Settings(port=0, admin_port=0, handles_signals=False, is_local=False)


@contextlib.asynccontextmanager
async def visitor(world):
    base = world.url.removesuffix("/mcp")
    async with http_client(base_url=base, timeout=30) as http:
        yield http


@pytest.mark.scenario("I-2")
async def test_a_challenge_leads_to_a_document_that_leads_to_the_issuer():
    async with door(scopes=["mcp:tools"], scopesSupported=["profile", "mcp:tools"]) as it, visitor(it.world) as http:
        url = challenge_of(await it.knock(None))["resource_metadata"]
        assert url == f"{it.world.url.removesuffix('/mcp')}{DOCUMENT}/mcp"
        answer = await http.get(url)
        assert answer.status_code == 200
        assert answer.json() == {
            "resource": it.world.url,
            "authorization_servers": [it.idp.issuer],
            "scopes_supported": ["mcp:tools", "profile"],
            "bearer_methods_supported": ["header"],
        }
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["access-control-allow-origin"] == "*"
        for path in (DOCUMENT, f"{DOCUMENT}/", f"{DOCUMENT}/mcp/"):
            assert (await http.get(path)).json() == answer.json()
        # What is of use is asked for as well, and no token has to have it.
        assert challenge_of(await it.knock(None))["scope"] == "mcp:tools profile"
        assert await it.status_of(it.idp.mint("alice", scope="mcp:tools")) == 200


@pytest.mark.scenario("I-2")
async def test_browsers_may_read_it_and_nobody_may_write():
    async with door() as it, visitor(it.world) as http:
        asks = {"origin": "https://app.example", "access-control-request-method": "GET"}
        answer = await http.options(f"{DOCUMENT}/mcp", headers=asks)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
        assert "GET" in answer.headers["access-control-allow-methods"]
        read = await http.get(DOCUMENT, headers={"origin": "https://app.example"})
        assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, "*")
        head = await http.head(DOCUMENT)
        assert (head.status_code, head.content) == (200, b"")
        for verb in ("POST", "PUT", "DELETE"):
            assert (await http.request(verb, DOCUMENT)).status_code == 405


@pytest.mark.scenario("I-2")
@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        f"{DOCUMENT}/other",
        f"{DOCUMENT}x",
        f"{DOCUMENT}/mcp/x",
    ],
)
async def test_every_other_well_known_path_is_a_json_404_with_and_without_tokens(path):
    async with door() as it, visitor(it.world) as http, scene({}) as open_world, visitor(open_world) as other:
        for answer in (await http.get(path), await other.get(path), await other.get(DOCUMENT)):
            assert answer.status_code == 404
            assert answer.json()["error"]["message"]
            assert answer.headers["content-type"] == "application/json"


@pytest.mark.scenario("I-2", "C-5")
async def test_the_document_is_for_the_names_of_this_endpoint_only():
    async with door() as it, visitor(it.world) as http:
        assert (await http.get(DOCUMENT, headers={"host": "evil.example"})).status_code == 421
        twice = b"GET %b HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n" % DOCUMENT.encode()
        assert (await in_whole(it.world.proxy.mcp_port, twice)).startswith(b"HTTP/1.1 400 ")
        metrics = await it.world.metrics()
        assert metrics['vmcp_http_rejected_total{layer="well_known",status="421"}'] == 1


@pytest.mark.scenario("I-2")
async def test_the_document_follows_the_config():
    async with scene({"one": ScriptedBackend()}) as world, visitor(world) as http, Idp().running() as idp:
        assert (await http.get(DOCUMENT)).status_code == 404
        world.apply(incomingAuth=oidc(idp, scopes=["a"]))
        assert (await http.get(DOCUMENT)).json()["scopes_supported"] == ["a"]
        world.apply(incomingAuth=oidc(idp, resourceUrl="https://mcp.example/team/mcp"), allowedHosts=["mcp.example"])
        answer = await http.get(f"{DOCUMENT}/team/mcp")
        assert answer.json()["resource"] == "https://mcp.example/team/mcp"
        assert (await http.get(DOCUMENT, headers={"host": "mcp.example"})).json() == answer.json()
        world.apply(incomingAuth={"type": "anonymous"})
        assert (await http.get(DOCUMENT)).status_code == 404


@pytest.mark.scenario("I-2")
@pytest.mark.parametrize(
    ("headers", "resource"),
    [
        ({"host": "mcp.example"}, "http://mcp.example/mcp"),
        ({"host": "MCP.example:8443", "x-forwarded-proto": "HTTPS"}, "https://MCP.example:8443/mcp"),
        ({"host": "[2001:db8::1]:80", "x-forwarded-proto": "https"}, "https://[2001:db8::1]:80/mcp"),
        ({"host": "mcp.example", "x-forwarded-proto": "javascript"}, "http://mcp.example/mcp"),
        ({"host": "mcp.example", "x-forwarded-host": "evil.example"}, "http://mcp.example/mcp"),
    ],
)
async def test_without_a_url_of_its_own_the_resource_is_where_the_request_found_it(headers, resource):
    settings = oidc(Idp(), issuer="http://127.0.0.1:1/idp", jwksUrl="http://127.0.0.1:1/jwks")
    async with scene({}, settings=CLUSTER, incomingAuth=settings) as world, visitor(world) as http:
        assert (await http.get(DOCUMENT, headers=headers)).json()["resource"] == resource
        refused = await http.get("/mcp", headers={**headers, "accept": "text/event-stream"})
        assert challenge_of(refused)["resource_metadata"] == f"{resource.removesuffix('/mcp')}{DOCUMENT}/mcp"


@pytest.mark.parametrize("host", [None, b"", b"a b", b'x"y', b"a,b", b"user@host", b"h/p", b"[::1", b"h:port", b"\xff"])
def test_a_host_that_is_none_stands_in_no_url(host):
    resource = ProtectedResource("https://idp.example", "/mcp")
    assert resource.document(RequestAddress(host)) is None
    assert resource.metadata_url(RequestAddress(host)) == ""


def test_a_query_of_the_resource_is_no_part_of_where_its_document_is():
    resource = ProtectedResource("https://idp.example", "/mcp", url="https://mcp.example/?tenant=a")
    assert resource.metadata_url(RequestAddress(b"x")) == f"https://mcp.example{DOCUMENT}"

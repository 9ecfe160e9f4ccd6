"""What `vmcp status`, `tools`, `read` and `explain` say where callers come with tokens: nothing fails unseen."""

import asyncio
import json

import pytest

from tests.proxy.auth.oidc.helpers import oidc
from tests.proxy.cli.commands import call_vmcp
from tests.proxy.outgoing.helpers import stage, token_exchange
from tests.support.idp import Idp, oauth_error
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import admin_of, url_of
from vmcp_proxy.cli.exits import Exit

FORBID = '@id("nobody") forbid (principal, action, resource);'


@pytest.fixture
def vmcp(capsys):
    """The command in a thread beside the endpoint that this test serves."""

    async def run(*arguments):
        return await asyncio.to_thread(call_vmcp, capsys, *arguments)

    return run


@pytest.mark.scenario("I-6", "Z-7")
async def test_callers_that_get_no_token_for_a_backend_are_seen_by_who_runs_the_endpoint(vmcp):
    idp = Idp()
    async with stage(lambda idp: {"one": token_exchange(idp)}, idp=idp) as at:
        url, admin = url_of(at.world.proxy), admin_of(at.world.proxy)
        bearer = f"authorization: Bearer {idp.mint('alice')}"
        idp.acts["token"] = oauth_error("invalid_client", "of no interest here", 401)
        listed = await vmcp("tools", url, "--header", bearer)
        assert (listed.code, listed.out.splitlines()) == (Exit.OK, ["TOOL  DESCRIPTION"])
        said = "its token endpoint refuses with invalid_client; correct its client ID and secret"
        assert "vmcp: what one has may be missing: backend 'one' was not asked" in listed.err
        assert said in listed.err
        status = await vmcp("status", admin)
        assert (status.code, f"callers get no token for it: {said}" in status.out) == (Exit.FAILED, True), status.out
        explained = await vmcp("explain", admin, "one_echo", "--as", "alice")
        assert explained.out.startswith("tool one_echo for alice: unavailable, not listed\n")
        assert f"STOP     backend     callers get no token for backend 'one': {said}" in explained.out

        # What lies with one caller alone says nothing of the backend, and a token that is got ends the matter.
        del idp.acts["token"]
        async with at.signed_in("bob") as bob:
            assert await bob.names() == ["one_echo"]
        idp.acts["token"] = oauth_error("invalid_grant", "carol has been signed out")
        async with at.signed_in("carol") as carol:
            assert await carol.names() == []
        assert (await vmcp("status", admin)).code == Exit.OK


async def test_an_explanation_says_what_keeps_a_caller_out_before_all_steps(vmcp, tmp_path):
    async with Idp().running() as idp:
        incoming = oidc(idp, scopes=["mcp:use"])
        authorization = {"policies": [FORBID], "mode": "Shadow"}
        async with scene({"web": ScriptedBackend()}, incomingAuth=incoming, authorization=authorization) as world:
            admin = admin_of(world.proxy)
            async with world.client(authorization=f"Bearer {idp.mint('alice', scope='mcp:use')}") as client:
                await client.open()
                (name,) = await client.names()
            claims = tmp_path / "claims.json"
            heads, notes = [], []
            for told in (None, {"sub": "bob", "scope": "a"}, {"sub": "bob", "iss": "https://x", "scope": "mcp:use"}):
                claims.write_text(json.dumps(told))
                done = await vmcp("explain", admin, name, *(("--claims", str(claims)) if told else ()))
                heads.append(done.out.splitlines()[0])
                notes.append([line for line in done.out.splitlines() if line.startswith("note: ")])
    assert {head.partition(": ")[2] for head in heads} == {"allowed, listed; mode Shadow, in Enforce: denied"}
    assert [len(each) for each in notes] == [1, 1, 1]
    assert "without one a caller gets 401; say who is meant by --as or --claims" in notes[0][0]
    assert "requires the scopes mcp:use: with these claims a caller gets 403 insufficient_scope" in notes[1][0]
    assert f"takes tokens of {idp.issuer} alone" in notes[2][0]


async def test_who_hears_that_something_is_forbidden_is_told_whom_to_ask(vmcp):
    authorization = {"policies": [FORBID]}
    async with scene({"web": ScriptedBackend()}, authorization=authorization) as world:
        done = await vmcp("read", url_of(world.proxy), "test://secret")
    assert (done.code, "answered: Forbidden; `vmcp explain NAME" in done.err) == (Exit.FAILED, True), done.err


@pytest.mark.scenario("Z-7")
async def test_a_template_is_explained_by_the_name_that_lists_show(vmcp):
    narrow, wide = ({"uriTemplate": uri, "name": uri} for uri in ("test://b/{y}", "test://{x}"))
    backends = {"a": ScriptedBackend(templates=[wide]), "b": ScriptedBackend(templates=[narrow, wide])}
    policy = RuleBased((Rule(Effect.PERMIT, subjects=("alice",), names=("test://b/*",)),))
    async with scene(backends, admitter=policy) as world, world.session() as client:
        await client.names()
        admin = admin_of(world.proxy)

        async def explained(uri: str, who: str):
            done = await vmcp("explain", admin, uri, "--kind", "resource", "--as", who, "-o", "json")
            said = json.loads(done.out)
            chains = [(each["backend"], each["conclusion"]) for each in said["chains"]]
            return said["kind"], said["conclusion"], said["listed"], chains

        assert await explained("test://b/{y}", "alice") == ("template", "depends", True, [("b", "depends")])
        assert await explained("test://b/{y}", "bob") == ("template", "denied", False, [("b", "denied")])
        kind, conclusion, listed, chains = await explained("test://{x}", "alice")
        assert (kind, conclusion, listed) == ("template", "depends", True)
        assert chains == [("a", "depends"), ("b", "withheld")]
        assert (await explained("test://b/1", "alice"))[:2] == ("resource", "allowed")


@pytest.mark.parametrize(
    ("kind", "names"), [("", ["web_echo"]), ("resource", ["test://a", "test://{x}"]), ("prompt", [])]
)
async def test_what_can_be_asked_about_is_offered_to_who_completes_a_question(kind, names):
    backend = ScriptedBackend(
        resources=[{"uri": "test://a", "name": "a"}], templates=[{"uriTemplate": "test://{x}", "name": "x"}]
    )
    async with scene({"web": backend}) as world, world.session() as client:
        await client.names()
        assert json.loads(await world.admin(f"/explain?kind={kind}")) == {"names": names}
        assert "must be one of tool, resource, prompt" in await world.admin("/explain?kind=template")

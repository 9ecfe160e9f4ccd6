"""Two users at two backends of two authorization servers, by identity assertions: nobody gets what is another's."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.outgoing.helpers import Guarded, identity_assertion, issued_by, stage
from tests.support.idp import Idp, oauth_error, says
from tests.support.scripted_backend import text

pytestmark = pytest.mark.scenario("I-6", "I-9")

CLIENTS = {"at-server": "server-secret"}


def telling(server):
    """A backend behind a server, and who each call said it was for, with the token that it came with."""
    backend, seen = Guarded(lets_in=issued_by(server)), []

    @backend.on("tools/call")
    async def _call(call):
        token = call.heard.headers.get("authorization", "").removeprefix("Bearer ")
        seen.append((call.params["arguments"]["of"], token))
        return text("done")

    return backend, seen


@contextlib.asynccontextmanager
async def both():
    """The callers' provider, and two backends, each with a server of its own that trusts it."""
    idp, first, second = Idp(), Idp(clients=CLIENTS), Idp(clients=CLIENTS)
    async with first.running(), second.running():
        (one, at_one), (two, at_two) = telling(first), telling(second)
        for server in (first, second):
            server.trusts = [idp]
        strategies = lambda idp: {  # noqa: E731 - as `stage` wants it
            "one": identity_assertion(idp, first, subjectTokenType="id_token"),
            "two": identity_assertion(idp, second, subjectTokenType="id_token"),
        }
        async with stage(strategies, {"one": one, "two": two}, idp) as at:
            yield at, {"one": first, "two": second}, {"one": at_one, "two": at_two}


@pytest.mark.usefixtures("both_eras")
async def test_each_backend_sees_of_each_user_a_token_of_its_own_server_for_that_user():
    async with both() as (at, servers, seen), at.signed_in("alice") as alice, at.signed_in("bob") as bob:
        calls = [
            client.call(f"{backend}_echo", {"of": who})
            for who, client in (("alice", alice), ("bob", bob))
            for backend in servers
            for _ in range(10)
        ]
        answers = await asyncio.gather(*calls)
        assert all(answer["content"][0]["text"] == "done" for answer in answers)
        for name, server in servers.items():
            came = seen[name]
            assert {(who, server.known[token]["sub"]) for who, token in came} == {("alice", "alice"), ("bob", "bob")}
            assert len({token for _, token in came}) == 2
        assertions = {name: [each.form["assertion"] for each in servers[name].requests()] for name in servers}
        assert not set(assertions["one"]) & set(assertions["two"])
        for token in at.idp.known:
            assert at.heard_anywhere(token) == []
        for each in (*assertions["one"], *assertions["two"]):
            assert at.heard_anywhere(each) == []


@pytest.mark.usefixtures("both_eras")
@pytest.mark.parametrize(
    "act",
    [
        says(500, b"boom"),
        says(302, b"", location="http://127.0.0.1:1/token"),
        says(200, {"access_token": "not-an-assertion"}),
        oauth_error("invalid_grant", "alice is signed out"),
        oauth_error("invalid_target", "no such audience"),
    ],
)
async def test_a_provider_that_gives_one_user_no_assertion_takes_nothing_from_the_other(act):
    async with both() as (at, servers, seen), at.signed_in("bob") as bob:
        await bob.names()
        at.idp.acts["token"] = act
        async with at.signed_in("alice") as alice:
            assert await alice.names() == []
            answer = await alice.request("tools/call", {"name": "one_echo", "arguments": {"of": "alice"}})
            said = json.dumps(answer)
            assert "no credentials" in said
            assert "signed out" not in said
            assert (await bob.call("one_echo", {"of": "bob"}))["content"][0]["text"] == "done"
        assert {who for who, _ in seen["one"]} == {"bob"}
        assert {each["sub"] for each in servers["one"].known.values()} == {"bob"}


@pytest.mark.usefixtures("both_eras")
async def test_an_assertion_for_one_backends_server_is_shown_to_no_other():
    async with both() as (at, servers, _):
        foreign = at.idp.keys[0].sign(at.idp.claims("alice", aud=servers["two"].issuer), typ="oauth-id-jag+jwt")
        at.idp.acts["token"] = says(
            200, {"access_token": foreign, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag"}
        )
        async with at.signed_in("alice") as alice:
            assert await alice.names() == ["two_echo"]
        assert servers["one"].requests() == []

"""TLS to backends, through the whole proxy: whose certificates count, what is shown, what users hear of a refusal."""

import asyncio
import contextlib
import datetime as dt
import json
import ssl

import pytest
import trustme

from tests.proxy.endpoint.helpers import QUIET, everything, use_everything
from tests.support.scene import scene
from tests.support.scripted_backend import Die, ScriptedBackend
from tests.support.serving import http_backend
from tests.support.tls_front import tls_front

pytestmark = pytest.mark.scenario("B-7")
PAST = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
OUTCOMES = "vmcp.dev/serverOutcomes"
OWN = {"clientCertificateRef": {"name": "own", "key": "tls.crt"}}


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger():
    return trustme.CA()


def server_context(certificate, *, client_ca=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    if client_ca is not None:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.asynccontextmanager
async def behind_tls(context, backend=None):
    """A backend behind TLS; what stands before it counts the handshakes."""
    async with (backend or ScriptedBackend()).running() as running, tls_front(context, running.port) as front:
        yield front


def document(name, port, ca, **tls):
    bundle = {"caBundle": ca.cert_pem.bytes().decode()}
    return http_backend(name, port, url=f"https://localhost:{port}/mcp", tls={**bundle, **tls})


def secrets_of(certificate, name="own"):
    chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
    key = certificate.private_key_pem.bytes()
    return {(name, "tls.crt"): chain.decode(), (name, "tls.key"): key.decode()}


async def states(world):
    """The backends of the status by name, once each is known."""
    async with asyncio.timeout(10):
        while True:
            found = {each["name"]: each for each in (await world.status())["backends"]}
            if "unknown" not in {each["status"] for each in found.values()}:
                return found


async def test_a_backend_that_asks_for_a_client_certificate_gets_the_one_of_the_secret(ca, stranger):
    backend = everything()
    context = server_context(ca.issue_cert("localhost"), client_ca=stranger)
    shown = secrets_of(stranger.issue_cert("client.example"))
    async with (
        behind_tls(context, backend) as front,
        scene({}, extra=(document("one", front.port, ca, **OWN),), secrets=shown, config=QUIET) as world,
        world.session() as client,
    ):
        await use_everything(client)
        assert (await states(world))["one"]["status"] == "healthy"
        assert front.handshakes > 0
        assert backend.calls("tools/call")
        said = json.dumps(await world.status())
        assert "BEGIN" not in said


async def test_each_certificate_that_is_not_to_be_trusted_has_its_reason_in_the_status_and_in_the_lists(ca, stranger):
    good = ca.issue_cert("localhost")
    refused = {
        "host": (server_context(ca.issue_cert("other.example")), {}, "another host name"),
        "expired": (server_context(ca.issue_cert("localhost", not_after=PAST)), {}, "expired"),
        "stranger": (server_context(stranger.issue_cert("localhost")), {}, "CA bundle"),
        # This server hangs up without an alert, so that there is no more to be said.
        "not-ours": (server_context(good, client_ca=ca), OWN, "'not-ours' failed to answer"),
    }
    secrets = secrets_of(stranger.issue_cert("client.example"))
    async with contextlib.AsyncExitStack() as stack:
        documents = []
        backends = {name: ScriptedBackend() for name in refused}
        for name, (context, tls, _) in refused.items():
            front = await stack.enter_async_context(behind_tls(context, backends[name]))
            documents.append(document(name, front.port, ca, **tls))
        world = await stack.enter_async_context(
            scene({"fine": ScriptedBackend()}, extra=tuple(documents), secrets=secrets, config=QUIET)
        )
        client = await stack.enter_async_context(world.session())
        listed = await client.result("tools/list")
        assert [each["name"] for each in listed["tools"]] == ["fine_echo"]
        found = await states(world)
        for name, (_, _, words) in refused.items():
            assert found[name]["status"] == "unhealthy"
            assert words in found[name]["message"]
            outcome = listed["_meta"][OUTCOMES][name]
            assert words in json.dumps(outcome)
            assert backends[name].heard == []
        assert list(listed["_meta"][OUTCOMES]) == sorted(refused)


@pytest.mark.parametrize("broken", [("own", "tls.crt"), ("own", "tls.key")])
async def test_a_secret_without_its_half_of_the_pair_withholds_the_backend_and_names_the_key(ca, broken):
    backend = ScriptedBackend()
    context = server_context(ca.issue_cert("localhost"), client_ca=ca)
    secrets = secrets_of(ca.issue_cert("client.example"))
    del secrets[broken]
    async with (
        behind_tls(context, backend) as front,
        scene({}, extra=(document("one", front.port, ca, **OWN),), secrets=secrets, config=QUIET) as world,
        world.session() as client,
    ):
        assert await client.names() == []
        state = (await states(world))["one"]
        assert (state["status"], state["reason"]) == ("withheld", "SecretMissing")
        assert f"Secret 'own' has no key '{broken[1]}'" in state["message"]
        assert backend.heard == []


async def test_a_certificate_that_expires_in_the_middle_of_a_session_is_named_in_the_answer_to_the_call(ca):
    backend = ScriptedBackend()
    context = server_context(ca.issue_cert("localhost"))

    async with (
        behind_tls(context, backend) as front,
        scene({}, extra=(document("one", front.port, ca),), config=QUIET) as world,
        world.session() as client,
    ):
        assert (await client.call("one_echo"))["content"]
        ca.issue_cert("localhost", not_after=PAST).configure_cert(context)

        @backend.on("tools/call")
        async def hang_up(call):
            raise Die

        # One call for each connection that is still open from better days.
        async with asyncio.timeout(10):
            while (result := await client.call("one_echo"))["_meta"]["vmcp.dev/category"] != "refused":
                pass
        assert result["isError"]
        assert result["_meta"]["vmcp.dev/backend"] == "one"
        assert "'one'" in result["content"][0]["text"]
        assert "expired" in result["content"][0]["text"]
        heard = len(backend.calls("tools/call"))
        assert (await client.call("one_echo"))["_meta"]["vmcp.dev/category"] == "refused"
        assert len(backend.calls("tools/call")) == heard

        backend.handlers.clear()
        ca.issue_cert("localhost").configure_cert(context)
        assert (await client.call("one_echo"))["content"][0]["text"] == "called echo"

"""Token endpoints that are slow, away, broken or hostile: always a bounded error that says which, and shows nothing."""

import asyncio
import base64
from dataclasses import replace
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.auth.outgoing.helpers import PLACE, bearer, caller, desk
from tests.support.idp import hang_up, huge, oauth_error, says, slow
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.network import Network, Reach
from vmcp_proxy.auth.identity import ANONYMOUS, Identity
from vmcp_proxy.auth.oauth.endpoints import EndpointAnswer
from vmcp_proxy.auth.outgoing.client_credentials import ClientCredentials
from vmcp_proxy.auth.outgoing.errors import OutgoingAuthError
from vmcp_proxy.auth.outgoing.grant import Issued, read_answer
from vmcp_proxy.auth.outgoing.token_exchange import TokenExchange
from vmcp_proxy.auth.outgoing.tokens import TokenSource
from vmcp_proxy.backends.authentication import callers_credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.headerforward.snapshot import EMPTY_SNAPSHOT

CANARY = "canary-b00c"


async def failure(at):
    with pytest.raises(OutgoingAuthError) as caught:
        await at.client_credentials().slot_for(None).fetch()
    return caught.value


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (says(500), "answers with HTTP status 500"),
        (says(502, b"<html>", "text/html"), "answers with HTTP status 502"),
        (says(404), "answers with HTTP status 404"),
        (says(500, {"error": "server_error"}), "answers with HTTP status 500"),
        (says(200, b"<html>"), "the answer is no JSON object"),
        (says(200, b""), "the answer is no JSON object"),
        (says(200, b"null"), "the answer is no JSON object"),
        (says(200, b"[1]"), "the answer is no JSON object"),
        (says(200, b"[" * 60_000), "the answer is no JSON object"),
        (says(200, b'{"access_token": "\xff"}'), "the answer is no JSON object"),
        (says(200, {"access_token": 7}), "answers without a token"),
        (says(200, {"access_token": ""}), "answers without a token"),
        (says(200, {"access_token": "a\r\nX-Evil: 1"}), "answers without a token"),
        (says(200, {"access_token": "caf\u00e9"}), "answers without a token"),
        (says(200, {"access_token": "two words"}), "answers without a token"),
        (says(200, {"access_token": "a" * 40_000}), "answers without a token"),
        (says(200, {"access_token": "t", "token_type": "DPoP"}), "no bearer tokens"),
        (says(200, {"access_token": "t", "token_type": 1}), "no bearer tokens"),
        (says(200, {"access_token": "t", "error": "access_denied"}), "refuses with access_denied"),
        (says(201, {"access_token": "t"}), "answers with HTTP status 201"),
        (says(302, b"", location="https://elsewhere.example/token"), "redirect"),
        (huge(600_000), "larger than 524288 bytes"),
        (hang_up, "closed the connection"),
        (oauth_error("invalid_client", status=401), "invalid_client; correct its client ID and secret"),
        (oauth_error("unauthorized_client"), "unauthorized_client; allow this client the grant there"),
        (oauth_error("a strange\r\ncode"), "refuses with an error"),
        (oauth_error("<script>"), "refuses with an error"),
        (says(400, {"error": {"code": 1}}), "answers with HTTP status 400"),
    ],
)
async def test_whatever_it_answers_there_is_an_error_that_says_what_came(monkeypatch, act, said):
    async with desk(monkeypatch) as at:
        at.idp.acts["token"] = act
        error = await failure(at)
    assert str(error).startswith("the token endpoint ")
    assert said in str(error)


async def test_one_that_is_away_is_an_error(monkeypatch):
    async with desk(monkeypatch) as at:
        source = at.client_credentials()
        at.idp.server.port, port = 1, at.idp.server.port
        error_source = at.client_credentials()
        at.idp.server.port = port
        with pytest.raises(OutgoingAuthError, match="gives no answer: cannot connect"):
            await error_source.slot_for(None).fetch()
        assert bearer(await source.slot_for(None).fetch())


async def test_one_that_says_nothing_is_waited_for_within_a_bound(monkeypatch):
    async with desk(monkeypatch) as at:
        monkeypatch.setattr("vmcp_proxy.auth.outgoing.tokens.ISSUE_SECONDS", 0.3)
        gate = asyncio.Event()
        at.idp.acts["token"] = slow(gate)
        assert str(await failure(at)) == "the token endpoint does not answer in time"
        gate.set()


@pytest.mark.scenario("H-7")
async def test_no_error_tells_a_secret_or_a_token_whatever_the_server_says_back(monkeypatch):
    async with desk(monkeypatch, clients={"proxy": CANARY}) as at:
        alice = caller(at.idp)
        token = alice.token.reveal().decode()
        said = f"the assertion {token} of client proxy\x1b[31m\nis {token[:40]} no good: AADSTS50013"
        at.idp.acts["token"] = oauth_error("invalid_request", said)
        with pytest.raises(OutgoingAuthError) as caught:
            await at.token_exchange().slot_for(alice).fetch()
    error = caught.value
    shown = f"{error!r} {error} {error.detail} {error.__cause__} {error.__context__}"
    assert CANARY not in shown
    assert token not in shown
    assert token.split(".")[1][:30] not in shown
    assert "AADSTS50013" in error.detail, "what helps an operator stays"
    assert error.detail.isprintable()


@pytest.mark.scenario("H-7")
@pytest.mark.parametrize("secret", ["pw", "p w&=", "\u20ac1", "short-secret"])
async def test_not_even_a_short_secret_is_told_where_the_server_repeats_it(monkeypatch, secret):
    async with desk(monkeypatch, clients={"proxy": secret}) as at:
        at.idp.acts["token"] = oauth_error("invalid_request", f"got <{secret}> and <{quote_plus(secret)}>, wanted more")
        source = TokenSource("one", ClientCredentials(at.endpoint(secret=secret)), at.tasks)
        with pytest.raises(OutgoingAuthError) as caught:
            await source.slot_for(None).fetch()
    assert caught.value.detail == "got <***> and <***>, wanted more"


@pytest.mark.scenario("H-7")
@pytest.mark.parametrize("token", ["a+b/c=", "ab+cd/ef~gh+ij==", "short"])
async def test_a_token_is_told_neither_as_it_is_nor_as_it_stands_in_what_was_sent(monkeypatch, token):
    async with desk(monkeypatch, clients={"proxy": "pw"}) as at:
        basic = base64.b64encode(b"proxy:pw").decode()
        at.idp.acts["token"] = oauth_error("invalid_request", f"<{token}> <{quote_plus(token)}> <{basic}> is wrong")
        alice = Identity("https://idp.example", "alice", token=SecretBytes(token.encode()))
        source = TokenSource("one", TokenExchange(at.endpoint(secret="pw")), at.tasks)
        with pytest.raises(OutgoingAuthError) as caught:
            await source.slot_for(alice).fetch()
    assert caught.value.detail == "<***> <***> <***> is wrong"


async def test_a_client_that_is_refused_both_ways_is_refused_once_more_and_no_more(monkeypatch):
    async with desk(monkeypatch, clients={}) as at:
        assert "invalid_client" in str(await failure(at))
        assert [each.client.way for each in at.idp.requests()] == ["basic", "post"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    ["access_token", "token_type", "expires_in", "error", "error_description", "issued_token_type"]
)


@given(st.integers(100, 599), st.dictionaries(MEMBERS | st.text(max_size=4), JSON))
def test_an_answer_of_any_members_is_a_token_or_an_error(status, document):
    try:
        issued = read_answer("it", EndpointAnswer(status, document))
    except OutgoingAuthError as error:
        shown = str(error)
        issued = None
    if issued is None:
        assert shown.isprintable()
        return
    assert isinstance(issued, Issued)
    assert status == 200
    assert issued.token.reveal().decode() == document["access_token"]
    assert 0 < issued.lifetime <= 86_400


async def test_a_secret_goes_over_no_connection_without_tls_unless_that_is_allowed(monkeypatch):
    async with desk(monkeypatch) as at:
        endpoint = replace(at.endpoint(), reach=Reach(network=Network.LOCAL))
        with pytest.raises(OutgoingAuthError, match="use https://, or allow it with insecureAllowHttp"):
            await endpoint.ask((("grant_type", "client_credentials"),))
        assert at.idp.requests() == []


async def test_a_fault_of_ours_costs_the_token_and_not_the_process(monkeypatch, caplog):
    async with desk(monkeypatch) as at:
        source = at.client_credentials()
        monkeypatch.setattr(type(source.issuer), "issue", broken)
        with pytest.raises(OutgoingAuthError, match="gives an answer that cannot be read"):
            await source.slot_for(None).fetch()
    assert CANARY not in caplog.text


async def broken(*_):
    raise LookupError(CANARY)


def told(caplog) -> list[tuple[str, str]]:
    return [(each.getMessage(), each.vmcp_fields.get("reason", "")) for each in caplog.records]


async def test_the_log_has_a_failure_that_lasts_once_and_says_when_it_is_over(monkeypatch, caplog):
    caplog.set_level("INFO", "vmcp.auth")
    async with desk(monkeypatch) as at:
        slot = at.client_credentials().slot_for(None)
        for status in (500, 500, 500, 503, 503):
            at.idp.acts["token"] = says(status)
            with pytest.raises(OutgoingAuthError):
                await slot.fetch()
            at.turn_on(60)
        del at.idp.acts["token"]
        await slot.fetch()
        assert len(at.idp.requests("token")) == 6
    assert told(caplog) == [
        ("no token for a backend", f"{PLACE} answers with HTTP status 500"),
        ("no token for a backend", f"{PLACE} answers with HTTP status 503"),
        ("a backend has a token again", ""),
    ]


async def test_the_log_says_which_endpoint_gave_no_token_and_statuses_and_callers_do_not(monkeypatch, caplog):
    async with desk(monkeypatch) as at:
        at.idp.acts["token"] = says(500)
        endpoint = replace(at.endpoint(), url=at.idp.url("token") + f"?key={CANARY}")
        source = TokenSource("one", ClientCredentials(endpoint), at.tasks)
        credentials = callers_credentials("one", (), source, ANONYMOUS, EMPTY_SNAPSHOT)
        with pytest.raises(BackendError) as caught:
            await credentials.fetch(Deadline.after(asyncio.get_running_loop().time(), 10))
        origin = at.idp.url("token").removesuffix("/token")
        assert origin not in caught.value.told
        (line,) = caplog.records
        assert line.vmcp_fields["endpoint"] == origin
    assert CANARY not in caplog.text + caught.value.told

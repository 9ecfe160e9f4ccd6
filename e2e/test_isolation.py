"""Many callers of both eras at two pods at once: each has its own tools, headers, answers and progress, no other's."""

import asyncio
import json

import pytest

from e2e.support.identity import bearer, provider
from e2e.support.manifests import authz_config, group, oidc_config, server, vmcp
from e2e.support.replicas import REDIS, SHARED, is_complete, reached, requests_by_pod
from tests.support.raw_client import RawClient
from vmcp_proxy.protocol.methods import Era

ENDPOINT = "virtualmcpserver/apart"
SHOW, WAIT, WRITE = "headers_show_headers", "notes_wait", "notes_write_note"
READ = {SHOW, WAIT}
POLICIES = (
    *(f'permit(principal, action == Action::"call_tool", resource == Tool::"{name}");' for name in sorted(READ)),
    f'permit(principal in Group::"writers", action == Action::"call_tool", resource == Tool::"{WRITE}");',
)
ROUNDS = 6
KINDS = [(era, writes) for era in (Era.LEGACY, Era.MODERN) for writes in (False, True)]


@pytest.fixture(scope="module")
def idp(cluster):
    with provider(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def url(kube, idp):
    """Two pods that identify their callers, let them do different things and pass a header of theirs on."""
    auth = {"oidcConfigRef": {"name": "idp", "audience": idp.audience}, "authzConfigRef": {"name": "policies"}}
    kube.kubectl("apply", f"--filename={REDIS}")
    kube.apply(
        oidc_config("idp", idp.issuer),
        authz_config("policies", *POLICIES),
        group(),
        server("headers", "headers"),
        server("notes"),
        vmcp("apart", incomingAuth={"type": "oidc", **auth}, passthroughHeaders=["X-Api-Key"], **SHARED),
    )
    return kube.until(ENDPOINT, is_complete)["status"]["url"]


class Caller:
    """One identity with a key of its own; every request is on a connection of its own and may reach either pod."""

    def __init__(self, idp, number, era, *, writes):
        self.key = f"key-{number}-of-this-caller"
        self.may = READ | ({WRITE} if writes else set())
        token = idp.mint(f"caller-{number}", lifetime=3600, groups=["writers"] if writes else [])
        self.client = RawClient("", {**bearer(token), "X-Api-Key": self.key, "Connection": "close"}, era)

    async def act(self, url):
        """All that a caller does; its ids of requests and tokens of progress are those of all others too."""
        self.client.url = url
        await self.client.open()
        for _ in range(ROUNDS):
            await asyncio.gather(self.lists(), self.shows(), self.writes())
            await self.hears()

    async def lists(self):
        assert set(await self.client.names()) == self.may

    async def shows(self):
        headers = json.loads((await self.client.call(SHOW))["content"][0]["text"])
        assert headers["x-api-key"] == self.key
        assert "authorization" not in headers

    async def writes(self):
        arguments = {"name": self.key, "text": self.key}
        answer = await self.client.request("tools/call", {"name": WRITE, "arguments": arguments})
        if WRITE in self.may:
            assert answer["result"]["content"][0]["text"] == f"{self.key} is written"
        else:
            assert "result" not in answer

    async def hears(self):
        """The progress of its own call, in its order: another's would come a second time."""
        self.client.said.clear()
        await self.client.call(WAIT, {"seconds": 0.3}, _meta={"progressToken": "same"})
        heard = [each["params"] for each in self.client.said]
        steps = [each["progress"] for each in heard]
        assert {each["progressToken"] for each in heard} == {"same"}
        assert steps == sorted(set(steps))


@pytest.mark.scenario("C-7", "H-3", "H-10", "Z-1", "S-5")
@pytest.mark.timeout(240)
async def test_callers_at_two_pods_at_once_have_nothing_of_each_other(kube, idp, url):
    before = await requests_by_pod(kube, "apart")
    async with reached(kube, "apart", url) as proxies:
        callers = [Caller(idp, number, era, writes=writes) for number, (era, writes) in enumerate(3 * KINDS)]
        await asyncio.gather(*(each.act(proxies.service) for each in callers))
        sessions = [each for each in callers if each.client.session]
        assert len({each.client.session for each in sessions}) == len(sessions) == len(callers) // 2
        # A session id is of use to nobody else, at either pod, whoever holds it.
        for one, other in zip(sessions, [*sessions[1:], sessions[0]], strict=True):
            for pod in proxies.pods:
                stolen = RawClient(pod, other.client.headers, Era.LEGACY)
                stolen.session = one.client.session
                async with stolen:
                    assert (await stolen.post(stolen.asking("tools/list"))).status_code == 404
                    assert await stolen.delete() == 404
        await asyncio.gather(*(each.shows() for each in sessions))
    after = await requests_by_pod(kube, "apart")
    assert all(after[name] > before[name] for name in before)

"""Calls that wait in one pod of two for their clients' answers, which may come to the other one; and a killed pod."""

import asyncio

import pytest

from e2e.support.clients import until
from e2e.support.manifests import group, vmcp
from e2e.support.replicas import REDIS, SHARED, ignoring_transport, is_complete, reached
from e2e.support.suite_server import suite_server, suite_server_sources
from tests.support.raw_client import RawClient
from vmcp_proxy.protocol.methods import Era

ENDPOINT = "virtualmcpserver/parks"
ASKS_TWICE = "asks_test_input_required_result_multi_round"
"""Asks for a name, then for a color, each in the middle of the call, as servers with sessions do."""

CALLERS = 8


@pytest.fixture(scope="module")
def url(kube):
    """Two pods before a server that speaks the protocol with sessions only, so that calls wait in a pod."""
    kube.kubectl("apply", f"--filename={REDIS}")
    kube.apply(
        suite_server_sources(),
        group(),
        suite_server("asks", "tools", "legacy"),
        vmcp("parks", passthroughHeaders=["X-Api-Key"], **SHARED),
    )
    return kube.until(ENDPOINT, is_complete)["status"]["url"]


@pytest.fixture
async def proxies(kube, url):
    async with reached(kube, "parks", url) as found:
        yield found


class Caller:
    """A client without a session; it may send each request of a call to another URL."""

    def __init__(self, number, era=Era.MODERN):
        self.name, self.color = f"caller {number}", f"color {number}"
        self.client = RawClient("", {"X-Api-Key": f"key-{number}", "Connection": "close"}, era)
        self.client.capabilities = {"elicitation": {}}

    async def begin(self, url):
        return await self._call(url)

    async def go_on(self, url, asked):
        """Answers what a call asks for."""
        form = {"name": self.name, "color": self.color}
        accepted = {"action": "accept", "content": form}
        answers = {
            key: {**accepted, "content": {name: form[name] for name in each["params"]["requestedSchema"]["properties"]}}
            for key, each in asked["result"]["inputRequests"].items()
        }
        return await self._call(url, inputResponses=answers, requestState=asked["result"]["requestState"])

    async def run(self, *urls):
        """The text of a call whose requests go to these URLs in turn."""
        came = await self.begin(urls[0])
        for url in urls[1:]:
            came = await self.go_on(url, came)
        return text_of(came)

    async def _call(self, url, **more):
        self.client.url = url
        return await self.client.request("tools/call", {"name": ASKS_TWICE, "arguments": {}, **more})

    @property
    def said(self):
        """What the tool makes of this caller's answers."""
        return f"{self.name} likes {self.color}."


def text_of(came):
    return came["result"]["content"][0]["text"]


@pytest.mark.scenario("P-11")
async def test_answers_that_reach_the_other_pod_find_their_call_there_and_back(proxies):
    one, two = proxies.pods
    callers = [Caller(number) for number in range(CALLERS)]
    ways = [(one, two, one), (two, one, two), (one, two, two), (two, two, one)]
    texts = await asyncio.gather(*(each.run(*ways[number % len(ways)]) for number, each in enumerate(callers)))
    assert texts == [each.said for each in callers]


@pytest.mark.scenario("P-11", "C-7")
async def test_clients_whose_requests_spread_over_both_pods_get_their_own_results(proxies):
    callers = [Caller(number) for number in range(2 * CALLERS)]
    texts = await asyncio.gather(*(each.run(*[proxies.service] * 3) for each in callers))
    assert texts == [each.said for each in callers]


@pytest.mark.scenario("P-11", "K-10")
async def test_a_killed_pod_loses_the_calls_that_waited_in_it_and_no_others(kube, proxies):
    killed, other = proxies.pods
    lost, kept = (
        [Caller(number) for number in range(CALLERS)],
        [Caller(number) for number in range(CALLERS, 2 * CALLERS)],
    )
    in_killed = await asyncio.gather(*(each.begin(killed) for each in lost))
    in_other = await asyncio.gather(*(each.begin(other) for each in kept))
    # Half of the other pod's calls have come that far by the pod that is killed.
    for number in range(0, CALLERS, 2):
        in_other[number] = await kept[number].go_on(killed, in_other[number])
    await asyncio.to_thread(kube.delete, f"pod/{proxies.names[0]}", "--grace-period=1")

    for caller, asked in zip(lost, in_killed, strict=True):
        error = (await caller.go_on(other, asked))["error"]
        assert (error["code"], "Begin again" in error["message"]) == (-32603, True)
    for number, (caller, asked) in enumerate(zip(kept, in_other, strict=True)):
        came = asked
        for _ in range(1 if number % 2 == 0 else 2):
            came = await caller.go_on(other, came)
        assert text_of(came) == caller.said

    async def is_served():
        return await lost[0].run(*[proxies.service] * 3) == lost[0].said

    await until(lambda: ignoring_transport(is_served))
    live = await asyncio.to_thread(kube.until, ENDPOINT, is_complete)
    async with reached(kube, "parks", live["status"]["url"]) as found:
        texts = await asyncio.gather(*(each.run(*found.pods, found.pods[0]) for each in lost))
    assert texts == [each.said for each in lost]

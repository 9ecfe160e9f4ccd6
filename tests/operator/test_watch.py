"""The watch with the library itself, against an API server that refuses for real."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from tests.operator.api_server import serving_api
from vmcp_operator.cluster.kube import connect
from vmcp_operator.errors import OperatorError, Unavailable
from vmcp_operator.health import Health
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    GATEWAY_BINDING,
    LIFECYCLE,
    LIFECYCLE_SERVER,
    OWN,
    OWNED,
    SERVER,
    STDIO_OWNED,
    VMCP,
    Ref,
)
from vmcp_operator.plan.objects.naming import MANAGED
from vmcp_operator.reconcile.dependents import Change
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch import Scope, Watch
from vmcp_operator.watch.life import Life, build_registry, build_settings
from vmcp_operator.watch.session import LIST_AS_METADATA, WATCH_AS_METADATA

CONFIG_MAPS = CONFIG_MAP.folder()
SERVERS = SERVER.folder()

WATCHED = (*OWN, *OWNED, CONFIG_MAP)


class Seen:
    """What a watch told, and how it stands."""

    def __init__(self, missing=None, scope=Scope(), peek=None) -> None:  # noqa: B008 - frozen
        self.changes: asyncio.Queue[Change] = asyncio.Queue()
        self.telemetry = Telemetry()
        self.watch = Watch(scope, self.changes.put_nowait, self.telemetry, missing or nothing_missing, peek or fine)

    async def until(self, check) -> None:
        """Looks again and again: what a watch says of itself has no event."""
        while not check(self.watch.problems):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def until_watched(self) -> None:
        await self.until(lambda problems: not problems)

    def restarts(self) -> float:
        return self.telemetry.registry.get_sample_value("vmcp_operator_watch_restarts_total")

    def is_up(self) -> bool:
        return self.telemetry.registry.get_sample_value("vmcp_operator_watch_up") == 1


async def nothing_missing(_kinds):
    return ()


async def fine(_kind, _namespace):
    pass


def config_map(name):
    return {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": {"name": name, "namespace": "a", "uid": name, "resourceVersion": "7"},
    }


def member(name):
    metadata = {"name": name, "namespace": "a", "uid": name, "resourceVersion": "7"}
    spec = {"groupRef": {"name": "tools"}}
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": "MCPServer", "metadata": metadata, "spec": spec}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("vmcp_operator.watch.life.ERROR_BACKOFFS", (0.05, 0.05))
    monkeypatch.setattr("vmcp_operator.watch.supervisor.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("vmcp_operator.watch.supervisor.LONGEST_PAUSE", 0.2)


@pytest.fixture
async def api(tmp_path, monkeypatch):
    async with serving_api(tmp_path) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
        yield server


@asynccontextmanager
async def watching(missing=None, scope=Scope(), peek=None):  # noqa: B008 - frozen
    seen = Seen(missing, scope, peek)
    task = asyncio.create_task(seen.watch.run())
    try:
        async with asyncio.timeout(40):
            yield seen
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not [thread for thread in threading.enumerate() if thread.name == "watch"]


@pytest.mark.scenario("K-21")
async def test_a_right_taken_away_is_told_the_others_are_heard_and_all_is_well_when_it_is_back(api):
    async with watching() as seen:
        await seen.until_watched()
        assert seen.is_up()
        api.refuse[CONFIG_MAPS] = 403
        api.end_watches()
        await seen.until(lambda problems: problems == (f"{CONFIG_MAPS} is not watched: HTTP 403",))
        assert not seen.is_up()
        # The library gives up over it and is started again, more than once.
        while seen.restarts() < 2:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.01)
        api.objects[SERVERS] = [member("files")]
        while (await seen.changes.get()).ref != Ref(SERVER, "a", "files"):
            pass
        del api.refuse[CONFIG_MAPS]
        await seen.until_watched()
        assert seen.is_up()
        await api.send(CONFIG_MAPS, config_map("ca"))
        while (change := await seen.changes.get()).ref.kind is not CONFIG_MAP:
            pass
    assert change == Change(Ref(CONFIG_MAP, "a", "ca"), version="7")


async def test_it_is_ready_when_every_watch_is_answered_and_not_before(api):
    api.held[SERVERS] = asyncio.Event()
    async with watching() as seen:
        await seen.until(lambda problems: problems == (f"{SERVERS} is not watched: not asked yet",))
        health = Health(asyncio.get_running_loop().time, lambda: seen.watch.problems, is_synced=True)
        assert health.missing() == (f"{SERVERS} is not watched: not asked yet",)
        api.held[SERVERS].set()
        await seen.until_watched()
        assert health.missing() == ()


@pytest.mark.scenario("K-13")
@pytest.mark.parametrize("how", ["expired", "cut", "409", "410"])
async def test_what_happened_while_a_watch_was_too_old_or_refused_is_heard_all_the_same(api, how):
    async with watching() as seen:
        await seen.until_watched()
        # It comes into being between two watches, and no event tells of it.
        api.objects[SERVERS] = [member("meanwhile")]
        if how == "expired":
            await api.expire(SERVERS)
        elif how == "cut":
            api.end_watches()
        else:
            api.refuse[SERVERS] = int(how)
            api.end_watches()
            await seen.until(bool)
            del api.refuse[SERVERS]
        if how != "cut":
            while (await seen.changes.get()).ref != Ref(SERVER, "a", "meanwhile"):
                pass
        await seen.until_watched()
        while not api.streams.get(SERVERS):  # noqa: ASYNC110 - a list in memory has no event
            await asyncio.sleep(0.01)
        await api.send(SERVERS, member("after"))
        while (await seen.changes.get()).ref != Ref(SERVER, "a", "after"):
            pass


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_whatever_a_list_is_answered_with_at_the_start_it_is_watched_once_that_is_over(api, status):
    api.refuse[SERVERS] = status
    async with watching() as seen:
        await seen.until(lambda problems: any(f"HTTP {status}" in problem for problem in problems))
        del api.refuse[SERVERS]
        await seen.until_watched()


async def test_credentials_that_are_refused_are_not_tried_in_a_hot_loop(api):
    for kind in WATCHED:
        api.refuse[kind.folder()] = 401
    async with watching() as seen:
        while seen.restarts() < 3:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.01)
    assert len(api.asked) < 12 * len(WATCHED)


@pytest.mark.scenario("K-22")
async def test_the_content_of_foreign_objects_is_never_asked_for(api):
    async with watching() as seen:
        await seen.until_watched()
    accepted = {(path, is_watch): accept for path, is_watch, accept in api.asked}
    for kind in (*OWNED, CONFIG_MAP):
        assert accepted[kind.folder(), False] == LIST_AS_METADATA
        assert accepted[kind.folder(), True] == WATCH_AS_METADATA
    assert not any("Partial" in accepted[kind.folder(), is_watch] for kind in OWN for is_watch in (False, True))
    assert {path for path, _ in accepted} == {kind.folder() for kind in WATCHED}


async def test_a_cluster_without_our_kinds_says_which_chart_to_install_and_is_watched_once_it_is(api, monkeypatch):
    monkeypatch.setattr("vmcp_operator.watch.supervisor.SERVED_PAUSE", 0.02)
    answers = [Unavailable("/apis", 503, "starting"), (VMCP, SERVER), ()]

    async def missing(_kinds):
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    async with watching(missing) as seen:
        await seen.until(lambda problems: any("starting" in problem for problem in problems))
        answers.pop(0)
        await seen.until(lambda problems: any("VirtualMCPServer, MCPServer" in problem for problem in problems))
        assert "vmcp-operator-crds" in seen.watch.problems[0]
        answers.pop(0)
        await seen.until_watched()


async def test_a_life_that_missed_a_kind_is_ended(api, monkeypatch):
    monkeypatch.setattr("vmcp_operator.watch.supervisor.UNANSWERED_SECONDS", 0.5)
    api.hidden.add(SERVER)
    async with watching() as seen:
        await seen.until(lambda problems: problems == (f"{SERVERS} is not watched: not asked yet",))
        api.hidden.clear()
        await seen.until_watched()
        assert seen.restarts() >= 1


async def test_a_life_that_cannot_be_ended_ends_the_process(api, monkeypatch):
    monkeypatch.setattr("vmcp_operator.watch.supervisor.UNANSWERED_SECONDS", 0.05)
    monkeypatch.setattr("vmcp_operator.watch.supervisor.STOP_SECONDS", 0.05)
    release = threading.Event()
    lives = []

    def stuck(life, _ended):
        lives.append(life)
        release.wait(60)
        life._loop.close()

    monkeypatch.setattr(Life, "_run", stuck)
    try:
        async with asyncio.timeout(20):
            with pytest.raises(OperatorError, match="does not end"):
                await Seen().watch.run()
    finally:
        release.set()
        assert all(life.join(10) for life in lives)


def test_kopf_only_watches():
    settings = build_settings()
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.process.ultimate_exiting_timeout is None
    assert {str(value) for value in settings.watching.label_selectors.values()} == {MANAGED}
    assert len(settings.watching.label_selectors) == len((*OWNED, *STDIO_OWNED))
    registry = build_registry(WATCHED, lambda _: None, lambda **_: None, lambda: None)
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()


@pytest.mark.scenario("K-27")
async def test_kinds_of_another_operator_are_watched_once_they_are_served_and_no_longer_when_they_are_gone(
    api, monkeypatch
):
    monkeypatch.setattr("vmcp_operator.watch.supervisor.OPTIONAL_PAUSE", 0.05)
    api.hidden |= set(LIFECYCLE)

    async def missing(kinds):
        return tuple(kind for kind in kinds if kind in api.hidden)

    def watched():
        return {path for path, is_watch, _ in api.asked if is_watch}

    paths = {kind.folder() for kind in LIFECYCLE}
    async with watching(missing, Scope(lifecycle=True)) as seen:
        await seen.until_watched()
        assert not watched() & paths
        api.hidden.clear()
        while not watched() >= paths:  # noqa: ASYNC110 - what the server is asked has no event
            await asyncio.sleep(0.01)
        await seen.until_watched()
        api.hidden |= set(LIFECYCLE)
        # The life that watches them ends, and the next one does not ask for them.
        await seen.until(bool)
        api.asked.clear()
        await seen.until_watched()
        assert not watched() & paths
        assert seen.restarts() == 0, "nothing went wrong"


@pytest.mark.scenario("K-27")
@pytest.mark.parametrize("status", [403, 500])
async def test_kinds_of_another_operator_that_are_refused_are_left_out_and_watched_once_they_are_not(
    api, monkeypatch, status
):
    monkeypatch.setattr("vmcp_operator.watch.supervisor.OPTIONAL_PAUSE", 0.1)
    path = LIFECYCLE_SERVER.folder()
    api.refuse[path] = status

    def refused(kind):
        labels = {"kind": str(kind)}
        return seen.telemetry.registry.get_sample_value("vmcp_operator_optional_kind_refused", labels)

    async with (
        connect(str(api.kubeconfig), lambda *_: None) as cluster,
        watching(cluster.missing, Scope(lifecycle=True), cluster.peek) as seen,
    ):
        await seen.until_watched()
        assert seen.is_up()
        assert (refused(LIFECYCLE_SERVER), refused(GATEWAY_BINDING)) == (1, 0)
        assert api.streams[GATEWAY_BINDING.folder()], "the other one is watched"
        del api.refuse[path]
        while not api.streams.get(path):  # noqa: ASYNC110 - a list in memory has no event
            await asyncio.sleep(0.01)
        await seen.until_watched()
        assert refused(LIFECYCLE_SERVER) == 0
        # Taken away while it is watched: the rest is watched on without it.
        api.refuse[path] = status
        api.end_watches()
        while not refused(LIFECYCLE_SERVER):  # noqa: ASYNC110 - a gauge has no event
            await asyncio.sleep(0.01)
        await seen.until_watched()
        assert seen.is_up()


@pytest.mark.scenario("K-27")
async def test_a_kind_of_another_operator_that_may_be_listed_and_not_watched_is_left_out_for_a_while(api):
    path = LIFECYCLE_SERVER.folder()
    api.refuse[path] = 403
    async with watching(scope=Scope(lifecycle=True)) as seen:
        await seen.until(lambda problems: problems == (f"{path} is not watched: HTTP 403",))
        await seen.until_watched()
        assert seen.restarts() == 1

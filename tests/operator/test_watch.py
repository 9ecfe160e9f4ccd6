import asyncio

import pytest

from vmcp_operator.interest import Change
from vmcp_operator.plan.kinds import OWNED, POD, SERVER, VMCP, Ref
from vmcp_operator.plan.naming import MANAGED
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch import Scope, Watch, build_registry, build_settings, read_change


def test_a_member_is_read_with_its_group_and_a_pod_with_its_owner():
    member = {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServer",
        "metadata": {"name": "files", "namespace": "a"},
        "spec": {"groupRef": {"name": "tools"}},
    }
    assert read_change(member) == Change(Ref(SERVER, "a", "files"), None, "tools")
    labels = {
        "app.kubernetes.io/name": "vmcp",
        "app.kubernetes.io/instance": "one",
        "app.kubernetes.io/managed-by": "vmcp-operator",
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a", "labels": labels}}
    assert read_change(pod) == Change(Ref(POD, "a", "p"), Ref(VMCP, "a", "one"), None)


@pytest.mark.parametrize("group", [None, {}, {"groupRef": None}, {"groupRef": {}}])
def test_a_resource_without_a_group_is_read_all_the_same(group):
    manifest = {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServer",
        "metadata": {"name": "files", "namespace": "a"},
        "spec": group,
    }
    assert read_change(manifest) == Change(Ref(SERVER, "a", "files"), None, None)


def test_a_kind_that_nobody_asked_for_is_no_change():
    assert read_change({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}) is None


def test_kopf_only_watches():
    settings = build_settings(Scope(("a",)))
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.process.ultimate_exiting_timeout is None
    assert {str(value) for value in settings.watching.label_selectors.values()} == {MANAGED}
    assert len(settings.watching.label_selectors) == len(OWNED)
    registry = build_registry(lambda _: None, lambda: None)
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()


async def test_a_watch_that_ends_is_started_again_and_counted(monkeypatch):
    lives: asyncio.Queue = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def crash(**_):
        loop.call_soon_threadsafe(lives.put_nowait, None)
        raise RuntimeError("403")

    monkeypatch.setattr("vmcp_operator.watch.kopf.operator", crash)
    monkeypatch.setattr("vmcp_operator.watch.FIRST_PAUSE", 0.01)
    telemetry = Telemetry()
    watch = Watch(Scope(), lambda _: None, telemetry)
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        for _ in range(3):
            await lives.get()
        while telemetry.registry.get_sample_value("vmcp_operator_watch_restarts_total") < 2:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
    assert not watch.is_ready
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_watch_that_is_cancelled_stops_its_thread(monkeypatch):
    ready = asyncio.Event()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def live(*, stop_flag, **_):
        loop.call_soon_threadsafe(ready.set)
        await asyncio.to_thread(stop_flag.wait, 10)
        loop.call_soon_threadsafe(stopped.set)

    monkeypatch.setattr("vmcp_operator.watch.kopf.operator", live)
    task = asyncio.create_task(Watch(Scope(), lambda _: None, Telemetry()).run())
    async with asyncio.timeout(10):
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stopped.wait()

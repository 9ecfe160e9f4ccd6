"""A static header whose value cannot be sent withholds its backend; no backend is called without it."""

import asyncio
import json
import logging

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import Scene, scene
from tests.support.serving import http_backend, load, running, url_of
from vmcp_api.render import encode_config
from vmcp_proxy.cli.serve.mounted import MountedSource
from vmcp_proxy.run.reload import FileWatcher, Reloader

pytestmark = pytest.mark.scenario("H-5", "H-9")

CANARY = "canary-5d20f7"
FLAWS = [
    ("", "is empty; write a value"),
    ("\r\n", "is empty; write a value"),
    (" \t", "is empty; write a value"),
    (f"{CANARY}\r\nX-Other: y", "holds a line break or control character; write it on one line"),
    (f"{CANARY}\nmore\n", "holds a line break or control character; write it on one line"),
    (f"{CANARY}\0", "holds a line break or control character; write it on one line"),
    (f"{CANARY}\x1b", "holds a line break or control character; write it on one line"),
    (f"{CANARY}-ä", "holds characters outside ASCII; encode it"),
]
FORWARD = {"addHeadersFromSecret": [{"headerName": "X-Token", "valueSecretRef": {"name": "billing", "key": "token"}}]}


async def state_of(world, name="one"):
    return next(each for each in (await world.status())["backends"] if each["name"] == name)


@pytest.mark.parametrize(("value", "said"), FLAWS)
async def test_a_secret_that_cannot_be_sent_withholds_its_backend_and_is_named(value, said, caplog):
    one, two = everything(), everything()
    more = {"one": {"headerForward": FORWARD}}
    secrets = {("billing", "token"): value}
    with caplog.at_level(logging.INFO, "vmcp"):
        async with (
            scene({"one": one, "two": two}, more=more, secrets=secrets, config=QUIET) as world,
            world.session() as client,
        ):
            assert await client.names() == ["two_echo"]
            state = await state_of(world)
            assert (state["status"], state["reason"]) == ("withheld", "SecretInvalid")
            assert f"key 'token' of Secret 'billing' {said}" in state["message"]
            assert CANARY not in json.dumps(await world.status())
            world.proxy.apply(load(world.config, {("billing", "token"): "fine\r\n"}))
            await eventually(lambda: bool(one.heard))
            assert {each.headers["x-token"] for each in one.heard} == {"fine"}
            heard = len(one.heard)
            world.proxy.apply(load(world.config, secrets))
            assert (await state_of(world))["status"] == "withheld"
            assert await client.names() == ["two_echo"]
            # It is told good-bye with what it knew; nothing else reaches it.
            assert {each.headers.get("x-token") for each in one.heard[heard:]} <= {"fine"}
    assert CANARY not in caplog.text
    assert CANARY not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize(("value", "said"), FLAWS)
async def test_a_header_in_the_clear_that_slipped_through_admission_withholds_its_backend(value, said):
    one, two = everything(), everything()
    more = {"one": {"headerForward": {"addPlaintextHeaders": {"x-team": value}}}}
    async with (
        scene({"one": one, "two": two}, more=more, config=QUIET) as world,
        world.session() as client,
    ):
        assert await client.names() == ["two_echo"]
        state = await state_of(world)
        assert (state["status"], state["reason"]) == ("withheld", "HeaderInvalid")
        assert f"the value of X-Team {said}" in state["message"]
        assert CANARY not in state["message"]
        assert one.heard == []


async def test_a_mounted_secret_that_turns_bad_and_good_again_is_followed(tmp_path):
    backend = everything()
    token = tmp_path / "secrets" / "billing" / "token"
    token.parent.mkdir(parents=True)
    token.write_bytes(b"first\n")
    async with backend.running():
        document = http_backend("one", backend.port, headerForward=FORWARD)
        config = load({"backends": [document], "config": QUIET}).config
        (tmp_path / "config.json").write_text(encode_config(config))
        source = MountedSource(tmp_path / "config.json", tmp_path / "secrets")
        watcher = FileWatcher(source.paths, interval=0.02)
        async with running(source.load().loaded) as proxy:
            world = Scene(proxy, {})
            reloading = asyncio.create_task(Reloader(source, watcher, logging.getLogger("vmcp")).run(proxy))
            try:
                async with RawClient(url_of(proxy)) as client:
                    await client.open()
                    assert (await client.call("one_echo"))["content"]
                    for bad in (b"\xff" + CANARY.encode(), b"", CANARY.encode() + b"\nmore"):
                        token.write_bytes(bad)
                        await eventually(lambda: bool(proxy.state.withheld))
                        assert await client.names() == []
                        state = await state_of(world)
                        assert (state["status"], state["reason"]) == ("withheld", "SecretInvalid")
                        assert "key 'token' of Secret 'billing' " in state["message"]
                        assert CANARY not in json.dumps(await world.status())
                        token.write_bytes(b"second\n")
                        await eventually(lambda: not proxy.state.withheld)
                        assert (await client.call("one_echo"))["content"]
            finally:
                reloading.cancel()
                await asyncio.gather(reloading, return_exceptions=True)
    assert {each.headers.get("x-token") for each in backend.heard} == {"first", "second"}

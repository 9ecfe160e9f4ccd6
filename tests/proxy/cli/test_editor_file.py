"""An editor's server file while it is served: what is withheld, what an edit changes, how long a call may take."""

import asyncio
import json

import pytest

from tests.proxy.cli.commands import EXAMPLE, call_vmcp, serving
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.cli.exits import Exit

GOOD = {"command": EXAMPLE[0], "args": EXAMPLE[1:]}


def save(file, **servers):
    file.write_text(json.dumps({"mcpServers": servers}))
    return str(file)


@pytest.mark.scenario("D-7")
async def test_what_cannot_be_used_is_withheld_and_an_edit_brings_it_in_or_takes_it_out(tmp_path):
    file = tmp_path / "mcp.json"
    broken = {**GOOD, "env": {"A": "${input:key}"}}
    async with serving("--mcp-config", save(file, good={**GOOD, "tools": ["echo"]}, broken=broken)) as served:
        await served.url()
        await served.line("config warning", "good.tools: does not filter here")
        assert "needs the variable input:key" in await served.line("backend is withheld", "name=broken")
        await served.line("backend is up", "name=good")
        seen = len(served.lines)
        save(file, good=GOOD, broken=GOOD)
        await served.line("backend is up", "name=broken", after=seen)
        seen = len(served.lines)
        save(file, good={"comand": "x"}, broken=GOOD, off={**GOOD, "disabled": True})
        await served.line("config warning", "mcpServers.off: is disabled in this file and not served", after=seen)
        await served.line("backend is withheld", "name=good", after=seen)
        async with RawClient(await served.url()) as client:
            await client.open()
            assert (await client.call("broken_echo", {"text": "x"}))["content"]


@pytest.mark.scenario("D-7")
async def test_a_call_ends_at_the_bound_of_the_file_or_of_the_option_and_says_so(tmp_path):
    async with ScriptedBackend().running() as backend:

        @backend.on("tools/call")
        async def answer(_call):
            await asyncio.Event().wait()

        entry = {"url": f"http://127.0.0.1:{backend.port}/mcp"}
        file = save(tmp_path / "mcp.json", own={**entry, "timeout": "300ms"}, usual=entry)
        bounded = serving("--mcp-config", file, "--call-timeout", "400ms")
        async with bounded as served, RawClient(await served.url()) as client:
            await client.open()
            for name, bound in (("own", "0.3 s"), ("usual", "0.4 s")):
                result = await client.call(f"{name}_echo")
                assert result["_meta"]["vmcp.dev/category"] == "timeout"
                assert result["content"][0]["text"] == (
                    f"backend '{name}' did not answer in time ({bound} is its bound, set by"
                    " spec.config.operational.timeouts, or by timeout in an editor's file)"
                )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mcp-config", "{file}", "--call-timeout", "90"), "is no duration; write a number with a unit"),
        (("--mcp-config", "{file}", "--call-timeout", "0s"), "write more than 0s and at most 24h"),
        (("-f", "{file}", "--call-timeout", "90s"), "manifests say it in spec.config.operational.timeouts"),
    ],
)
def test_a_bound_that_cannot_hold_is_refused(tmp_path, capsys, arguments, said):
    file = save(tmp_path / "mcp.json", a=GOOD)
    done = call_vmcp(capsys, "serve", *(each.format(file=file) for each in arguments))
    assert done.code == Exit.USAGE
    assert said in " ".join(done.err.split())

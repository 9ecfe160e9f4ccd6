"""Completion in a shell: commands, options, and the tools of an endpoint."""

import asyncio
import re

import pytest

from tests.proxy.cli.commands import SECONDS, endpoint, server, serving, write
from tests.support import forked
from vmcp_proxy.cli import completion, entry


def patient():
    """The command; a busy machine may take longer to answer than a person waits."""
    completion.SECONDS = SECONDS
    entry.main()


async def completed(*words):
    """What bash would offer for the last of the words."""
    variables = {"_VMCP_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    code, out, err = await asyncio.to_thread(forked.run, seconds=SECONDS, env=variables, main=patient)
    assert (code, err) == (0, "")
    return [line.partition(",")[2] for line in out.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("vmcp", "val"), ["validate"]),
        (("vmcp", "serve", "--mcp"), ["--mcp-config"]),
        (("vmcp", "serve", "x"), []),
        (("vmcp", "policy", ""), ["test"]),
    ],
)
async def test_commands_and_options_are_completed(words, offered):
    assert await completed(*words) == offered


async def test_tools_are_completed_from_the_endpoint_that_is_named(tmp_path):
    async with serving("-f", write(tmp_path / "v.yaml", *endpoint(), server("one"))) as served:
        url = await served.url()
        await served.line("backend is up", "name=one")
        assert await completed("vmcp", "call", url, "one_") == ["one_add", "one_echo"]
        assert await completed("vmcp", "call", url, "one_e") == ["one_echo"]
        assert await completed("vmcp", "call", "one_add", "o") == []
        admin = (await served.status_url()).removesuffix("/status")
        assert await completed("vmcp", "explain", admin, "one_e") == ["one_echo"]
        # As bash parts it.
        assert await completed("vmcp", "call", *re.split("(:)", url), "one_e") == ["one_echo"]


async def test_an_endpoint_that_is_away_completes_nothing_and_says_nothing():
    assert await completed("vmcp", "call", "http://127.0.0.1:1/mcp", "o") == []

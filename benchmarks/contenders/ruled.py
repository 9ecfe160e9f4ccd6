"""agentgateway as our proxy with everything on has it: tokens of the run's issuer, twenty rules, an access log."""

import asyncio
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import jobs
from benchmarks.contenders import binary
from benchmarks.contenders.site import Absent, Contender, Launch, Site
from benchmarks.issuer import AUDIENCE, Issuer
from benchmarks.mcp_client import WrongAnswerError, ask, list_tools, open_session, request, with_authorization
from benchmarks.wire import connect

_TEAMS = 16
_LOG_SECONDS = 5.0
_POLL_SECONDS = 0.05

RULES = (
    {"allow": '"engineering" in jwt.groups && mcp.tool.name != ""'},
    {"allow": '"readers" in jwt.groups && mcp.resource.name != ""'},
    {"deny": 'mcp.tool.name.startsWith("destroy_")'},
    {"deny": 'mcp.tool.name.endsWith("_delete")'},
    *(
        {"allow": f'"team-{number}" in jwt.groups && mcp.tool.target == "b{number:03}" && mcp.tool.name != ""'}
        for number in range(_TEAMS)
    ),
)
"""Twenty, in the order of ours. Its rules cannot read a tool's annotations, so a name stands for what is destructive;
the first that allows ends its look at those that allow."""


class NotJudgedError(OSError):
    """It does not do what it is measured for."""


def config(issuer: Issuer, site: Site, port: int, others: tuple[int, int]) -> dict[str, object]:
    """The plain config with tokens demanded, rules on the way to the backends, and the access log of its defaults."""
    token = {"mode": "strict", "issuer": issuer.name, "audiences": [AUDIENCE], "jwks": {"url": issuer.jwks_url}}
    policies = {"jwtAuth": token, "mcpAuthorization": {"rules": list(RULES)}}
    return binary.agentgateway_config(site, port, others, policies)


def agentgateway(path: Path | None, issuer: Issuer) -> Contender | Absent:
    """The Rust gateway with tokens, rules and log; it takes part where it is seen to judge and to write."""
    made = binary.agentgateway(path, partial(config, issuer))
    if isinstance(made, Absent):
        return made
    start = made.launch
    return replace(
        made,
        name="agentgateway-ruled",
        title="agentgateway, rules and log",
        launch=lambda site: _shown(start(site), issuer, site),
    )


def _shown(launch: Launch, issuer: Issuer, site: Site) -> Launch:
    return replace(
        launch,
        # Of what it says itself errors alone, of requests each: a line on stdout, which leads to a file.
        env={"RUST_LOG": "error,request=info"},
        authorization=f"Bearer {issuer.token}",
        settle=lambda: _see(issuer, site),
    )


def _see(issuer: Issuer, site: Site) -> None:
    """Looks whether it lets in whom it should, nobody else, and writes it down.

    Raises:
        NotJudgedError: it does not.
    """
    asyncio.run(_see_judged(issuer, site.port))
    log, until = site.folder / "log", time.monotonic() + _LOG_SECONDS
    while b"tools/call" not in log.read_bytes():
        if time.monotonic() > until:
            raise NotJudgedError("no line about a call in its access log")
        time.sleep(_POLL_SECONDS)


async def _see_judged(issuer: Issuer, port: int) -> None:
    if await _may_call(port, ""):
        raise NotJudgedError("a caller without a token was let in")
    if await _may_call(port, f"Bearer {issuer.stranger}"):
        raise NotJudgedError("a caller to whom no rule applies was let in")
    if not await _may_call(port, f"Bearer {issuer.token}"):
        raise NotJudgedError("a caller whom a rule lets in was refused")


async def _may_call(port: int, authorization: str) -> bool:
    """Whether a caller gets the answer to a call of `echo`, whether or not it is shown the tool."""
    connection = await connect(port)
    try:
        session = await open_session(connection, port, "/mcp", with_authorization(authorization))
        names = [name for name in await list_tools(connection, session) if name.endswith("echo")] or ["echo"]
        call = {"name": names[0], "arguments": {"text": jobs.TEXT}}
        answer = await ask(connection, session.post, request("tools/call", call, 3))
    except WrongAnswerError:
        return False
    finally:
        connection.close()
    return jobs.TEXT.encode() in answer.body

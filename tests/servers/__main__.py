"""Compares what each server says directly with what comes through the proxy; exit code 1 where anything differs."""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.servers.clients import LISTS, Asks, listed
from tests.servers.install import installed
from tests.servers.running import Place, direct, gateway, place, serving
from tests.servers.table import SERVERS, Server

SETTLE_SECONDS = 90.0
SIDE_BY_SIDE = 3
TAG = 8
_ODD = re.compile("[^A-Za-z0-9_.-]")
_NAMED = {"tools": "name", "prompts": "name", "resources": "uri", "resourceTemplates": "uriTemplate"}


async def observed(asks: Asks, where: Place, prefix: str = "") -> dict[str, Any]:
    """All that is compared: the calls first, for they may change the lists."""
    seen: dict[str, Any] = {}
    for tool, arguments in where.server.calls:
        params = {"name": prefix + tool, "arguments": where.filled(arguments)}
        seen[f"call {tool} {arguments}"[:60]] = neutral(await asks.request("tools/call", params), where)
    for uri in where.server.reads:
        seen[f"read {uri}"] = neutral(await asks.request("resources/read", {"uri": uri}), where)
    if not prefix:
        for method, kind in LISTS.items():
            seen[kind] = await listed(asks, method)
    return seen


def neutral(answer: dict[str, Any], where: Place) -> Any:
    """An answer without its id and without what is this copy's alone."""
    body = answer.get("result", answer.get("error"))
    return _replaced(body, str(where.tmp))


def _replaced(value: Any, folder: str) -> Any:
    if isinstance(value, str):
        return value.replace(folder, "{tmp}")
    if isinstance(value, dict):
        return {name: _replaced(each, folder) for name, each in value.items()}
    return [_replaced(each, folder) for each in value] if isinstance(value, list) else value


def own(entries: list[dict[str, Any]], kind: str, expected: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """The entries of the whole catalog that are one server's, under its own names."""
    key = _NAMED[kind]
    if key == "name":
        originals = {
            prefix + _ODD.sub("_", each["name"]): each["name"] for each in expected if _ODD.search(each["name"])
        }
        mine = [each for each in entries if each["name"].startswith(prefix)]
        return [{**each, "name": _original(each["name"], originals, prefix)} for each in mine]
    wanted = {each[key] for each in expected}
    return [each for each in entries if each[key] in wanted]


def _original(exposed: str, originals: dict[str, str], prefix: str) -> str:
    """The name at the server; one with characters that clients refuse is exposed with others, and a tag behind it."""
    beginning, _, tag = exposed.rpartition("_")
    return originals[beginning] if beginning in originals and len(tag) == TAG else exposed.removeprefix(prefix)


def differences(server: Server, straight: dict[str, Any], through: dict[str, Any]) -> Iterator[str]:
    """What does not come through as it is, a line each."""
    for what, expected in straight.items():
        came = through[what]
        if what not in _NAMED:
            if came != expected:
                yield f"{what}: {str(expected)[:200]} directly, {str(came)[:200]} through"
            continue
        key = _NAMED[what]
        entries = {} if isinstance(expected, str) else {each[key]: each for each in expected}
        found = {each[key]: each for each in came}
        for name in sorted(entries.keys() | found.keys()):
            if entries.get(name) != found.get(name):
                yield f"{what} {name}: {str(entries.get(name))[:200]} directly, {str(found.get(name))[:200]} through"


async def settled(client: Asks, expected: int) -> list[dict[str, Any]]:
    """The proxy's tools, once as many are there as the servers have, or when the time is over."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        tools = await listed(client, "tools/list")
        if len(tools) >= expected or time.monotonic() > until:
            return tools
        await asyncio.sleep(0.5)


async def compare(servers: list[Server], folder: Path) -> int:
    """Installs, runs and compares; the number of servers of which something differs."""
    places_free = asyncio.Semaphore(SIDE_BY_SIDE)
    straight: dict[str, dict[str, Any]] = {}

    async def observe(server: Server) -> Place | None:
        async with places_free:
            try:
                programs = await installed(server)
                copy = place(server, programs, folder / "direct")
                async with serving(copy), direct(copy) as asks:
                    straight[server.name] = await observed(asks, copy)
            except Exception as error:  # noqa: BLE001 - one server that does not run must not hide the others
                print(f"BROKEN  {server.name}: {error!r}"[:500], flush=True)
                return None
            return place(server, programs, folder / "through")

    places = [each for each in await asyncio.gather(*map(observe, servers)) if each is not None]
    failures = len(servers) - len(places)
    async with AsyncExitStack() as stack:
        for each in places:
            await stack.enter_async_context(serving(each))
        client = await stack.enter_async_context(gateway(places, folder))
        await settled(client, sum(len(seen["tools"]) for seen in straight.values() if isinstance(seen["tools"], list)))
        calls = {each.server.name: await observed(client, each, f"{each.server.name}_") for each in places}
        lists = {kind: await listed(client, method) for method, kind in LISTS.items()}
        for each in places:
            name = each.server.name
            expected = straight[name]
            seen = calls[name] | {
                kind: own(lists[kind], kind, expected[kind] if isinstance(expected[kind], list) else [], f"{name}_")
                for kind in LISTS.values()
            }
            lines = list(differences(each.server, expected, seen))
            failures += bool(lines)
            sums = ", ".join(
                f"{len(expected[kind])} {kind}" for kind in LISTS.values() if isinstance(expected[kind], list)
            )
            print(f"{'DIFFERS' if lines else 'equal  '} {name}: {sums}, {len(each.server.calls)} calls", flush=True)
            for line in lines:
                print(f"        {line}", flush=True)
        print(f"\n{len(servers)} servers, {failures} not equal")
        return failures


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make servers", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    names = parser.parse_args().names
    chosen = [each for each in SERVERS if not names or each.name in names]
    with tempfile.TemporaryDirectory(prefix="vmcp-servers-") as folder:
        return 1 if asyncio.run(compare(chosen, Path(folder))) else 0


if __name__ == "__main__":
    sys.exit(main())

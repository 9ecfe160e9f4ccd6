"""Runs every peer as client and as server through the proxy, and says what each could not do."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tests.conformance.installing import FailedError
from tests.conformance.setups import FIRST, end_of, fixture, proxy
from tests.conformance.table import PAGE, written
from tests.peers.inspector import inspected
from tests.peers.roster import AUTO, CLIENTS, LEGACY, MODERN, SERVERS, Peer
from tests.peers.running import Runtimes, drilled, serving
from tests.peers.table import Found, client_table, server_table

DRIVER: Final = next(peer for peer in CLIENTS if peer.runtime == "own")
"""Who asks the servers."""


async def as_clients(runtimes: Runtimes, chosen: Callable[[Peer], bool]) -> Found:
    """Every client against one proxy before the fixture."""
    found: Found = {}
    for peer in filter(chosen, CLIENTS):
        for era in peer.eras:
            with tempfile.TemporaryDirectory(prefix="vmcp-peers-") as name:
                folder = Path(name)
                command = await runtimes.command(peer)
                async with fixture("both", folder) as backend, proxy({FIRST: backend}, folder) as url:
                    if peer.runtime == "inspector":
                        found[peer.title, era] = await inspected(command, url, era)
                    else:
                        found[peer.title, era] = await drilled([*command, url, era], folder)
                tell(f"{peer.title}, {era}", found[peer.title, era], peer.steps)
    return found


async def as_servers(runtimes: Runtimes, chosen: Callable[[Peer], bool]) -> Found:
    """Every server as the only backend of a proxy, asked in both eras."""
    found: Found = {}
    driver = await runtimes.command(DRIVER)
    for peer in filter(chosen, SERVERS):
        with tempfile.TemporaryDirectory(prefix="vmcp-peers-") as name:
            folder = Path(name)
            command = await runtimes.command(peer)
            async with serving(peer, command, folder) as backend, proxy({FIRST: backend}, folder) as url:
                for era in (LEGACY, MODERN):
                    found[peer.title, era] = await drilled([*driver, url, era], folder)
                    tell(f"behind the proxy: {peer.title}, {era} client", found[peer.title, era], peer.steps)
                    if any(found[peer.title, era].values()):
                        print(end_of(folder / "vmcp.log")[-800:], file=sys.stderr)
    return found


def tell(who: str, outcome: dict[str, str], steps: Iterable[str]) -> None:
    """Says what a peer could not do."""
    wrong = {step: outcome.get(step, "not done") for step in steps if outcome.get(step, "not done")}
    print(f"{who}: {'all' if not wrong else 'fails at ' + ', '.join(wrong)}")
    for step, error in wrong.items():
        print(f"    {step}: {error}")


async def run(options: argparse.Namespace) -> int:
    """Those that were chosen; 1 where one of them could not do something."""
    runtimes = Runtimes()

    def chosen(peer: Peer) -> bool:
        return not options.only or any(word.lower() in peer.title.lower() for word in options.only)

    clients = await as_clients(runtimes, chosen) if options.sides != "servers" else {}
    servers = await as_servers(runtimes, chosen) if options.sides != "clients" else {}
    if options.write:
        sections = {"peer_clients": client_table(clients), "peer_servers": server_table(servers)}
        PAGE.write_text(written(PAGE.read_text(), sections))
    wrong = (
        found.get((peer.title, era), {}).get(step)
        for peers, found in ((CLIENTS, clients), (SERVERS, servers))
        for peer in peers
        for era in (LEGACY, MODERN, AUTO)
        for step in peer.steps
    )
    return 1 if any(wrong) else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make peers", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="those with one of these words in their titles")
    parser.add_argument("--sides", choices=("both", "clients", "servers"), default="both")
    parser.add_argument("--write", action="store_true", help="write their tables in docs/conformance.md anew")
    options = parser.parse_args()
    if options.write and (options.only or options.sides != "both"):
        parser.error("--write needs all of them")
    try:
        return asyncio.run(run(options))
    except FailedError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""`vmcp status`: what an endpoint serves, and what is wrong with it."""

import asyncio
from pathlib import Path
from typing import Any, Final

import click
import httpx2

from vmcp_api.naming import ADMIN_PORT
from vmcp_proxy.cli.endpoint.conversation import parse_endpoint
from vmcp_proxy.cli.endpoint.local import LocalGroup
from vmcp_proxy.cli.endpoint.target import local_group, local_options
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean, print_json, print_table
from vmcp_proxy.core.members.health import Health
from vmcp_proxy.run.proxy import Proxy

DEFAULT_STATUS: Final = f"http://127.0.0.1:{ADMIN_PORT}"
_SECONDS: Final = 10.0
_SESSIONS: Final = "vmcp_sessions "
_OFF: Final = "is `vmcp serve` running? --admin-port names its port; with --stdio there is one only if it is given"


@click.command("status")
@click.argument("url", default=DEFAULT_STATUS, metavar="[URL]")
@local_options
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(url: str, files: tuple[Path, ...], mcp_config: Path | None, output: str) -> None:
    """Show backends, sessions and conflicts of an endpoint by its admin port; exit code 1 if not all is well.

    Example: vmcp status --mcp-config ~/.cursor/mcp.json
    """
    group = local_group(files, mcp_config)
    if group is not None and url != DEFAULT_STATUS:
        raise click.UsageError("A URL does not go with -f and --mcp-config.")
    status = _ask(url) if group is None else _start(group)
    if output == "json":
        print_json(status)
    else:
        _print(status)
    if not is_well(status):
        raise click.exceptions.Exit(Exit.FAILED)


def is_well(status: dict[str, Any]) -> bool:
    """Whether every backend serves, the config is in force and no name is served by nobody."""
    return (
        bool(status.get("backends"))
        and all(each.get("status") == Health.HEALTHY and not each.get("message") for each in status["backends"])
        and not status.get("loadError")
        and not status.get("missingSecrets")
        and status.get("keys", "ok") == "ok"
        and status.get("store", {}).get("state", "ok") in {"ok", "unknown"}
        and all(each.get("winner") for each in status.get("conflicts", ()))
    )


def _start(group: LocalGroup) -> dict[str, Any]:
    async def look(proxy: Proxy) -> dict[str, Any]:
        return dict(proxy.wiring.status.status())

    return asyncio.run(group.run(look))


def _ask(url: str) -> dict[str, Any]:
    endpoint = parse_endpoint(url, ())
    base = endpoint.url.rstrip("/").removesuffix("/status")
    try:
        with httpx2.Client(timeout=_SECONDS) as client:
            answer = client.get(f"{base}/status")
            answer.raise_for_status()
            status = answer.json()
            metrics = client.get(f"{base}/metrics").text
    except httpx2.HTTPStatusError as error:
        message = f"{endpoint.shown} answered with HTTP {error.response.status_code}"
        raise CommandError(Exit.UNAVAILABLE, message, "name the admin port, not the endpoint") from None
    except (httpx2.HTTPError, ValueError):
        raise CommandError(Exit.UNAVAILABLE, f"no status at {endpoint.shown}", _OFF) from None
    if not isinstance(status, dict) or not isinstance(status.get("backends"), list):
        raise CommandError(Exit.UNAVAILABLE, f"{endpoint.shown} has no status of vmcp", "name the admin port")
    found = [line.removeprefix(_SESSIONS) for line in metrics.splitlines() if line.startswith(_SESSIONS)]
    return {**status, "sessions": int(float(found[0]))} if found else status


def _print(status: dict[str, Any]) -> None:
    rows = [
        (
            str(each.get("name")),
            str(each.get("status")),
            str(each.get("transport", "-")),
            str(each.get("tools", "-")),
            str(each.get("message") or ""),
        )
        for each in status["backends"]
    ]
    print_table(("Backend", "Status", "Transport", "Tools", "Reason"), rows)
    for line in notes(status):
        click.echo(clean(line))


def notes(status: dict[str, Any]) -> list[str]:
    """What is to be said beside the table of backends."""
    lines = [f"sessions: {status['sessions']}"] if "sessions" in status else []
    for each in status.get("conflicts", ()):
        served = f"served by {each['winner']}" if each.get("winner") else "served by nobody"
        lines.append(f"conflict: {each['kind']} {each['name']} of {', '.join(each['losers'])}, {served}")
    if error := status.get("loadError"):
        lines.append(f"config refused, the last good one is in force: {error['message']}")
    lines += [f"missing secret: {each}" for each in status.get("missingSecrets", ())]
    store = status.get("store", {})
    if store.get("state", "ok") not in {"ok", "unknown"}:
        lines.append(f"session store: {store['state']}: {store.get('message', '')}")
    return lines

"""`vmcp status`: what an endpoint serves, and what is wrong with it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import httpx2

from vmcp_api.naming import ADMIN_PORT
from vmcp_api.pod_status import BackendReport, Health, PodStatus, from_document, to_document
from vmcp_proxy.cli.endpoint.conversation import parse_endpoint
from vmcp_proxy.cli.endpoint.target import local_group, local_options
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean, print_json, print_table

if TYPE_CHECKING:
    from vmcp_proxy.cli.endpoint.local import LocalGroup
    from vmcp_proxy.run.proxy import Proxy

DEFAULT_STATUS: Final = f"http://127.0.0.1:{ADMIN_PORT}"
_SECONDS: Final = 10.0
_SESSIONS: Final = "sessions"
_FIGURE: Final = "vmcp_sessions "
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
    document = _ask(url) if group is None else _start(group)
    status = from_document(document)
    if output == "json":
        print_json(document)
    else:
        _print(status, document.get(_SESSIONS))
    if not is_well(status):
        raise click.exceptions.Exit(Exit.FAILED)


def is_well(status: PodStatus) -> bool:
    """Whether every backend serves, the config is in force and no name is served by nobody."""
    return (
        bool(status.backends)
        and all(each.status == Health.HEALTHY and not _ails(each) for each in status.backends)
        and status.load_error is None
        and not status.missing_secrets
        and not status.invalid_secrets
        and not (status.audit and status.audit.is_away)
        and status.has_keys
        and not status.store.is_away
        and not (status.issuer and status.issuer.is_away)
        and not (status.rate_limits and status.rate_limits.is_away)
        and all(each.winner for each in status.conflicts)
    )


def _start(group: "LocalGroup") -> dict[str, Any]:
    async def look(proxy: "Proxy") -> PodStatus:
        return proxy.status()

    return to_document(asyncio.run(group.run(look)))


def _ask(url: str) -> dict[str, Any]:
    """The document as it came, whatever version says it, and the number of sessions beside it."""
    endpoint = parse_endpoint(url, ())
    base = endpoint.url.rstrip("/").removesuffix("/status")
    try:
        with httpx2.Client(timeout=_SECONDS) as client:
            answer = client.get(f"{base}/status")
            answer.raise_for_status()
            document = answer.json()
            metrics = client.get(f"{base}/metrics").text
    except httpx2.HTTPStatusError as error:
        message = f"{endpoint.shown} answered with HTTP {error.response.status_code}"
        raise CommandError(Exit.UNAVAILABLE, message, "name the admin port, not the endpoint") from None
    except (httpx2.HTTPError, ValueError):
        raise CommandError(Exit.UNAVAILABLE, f"no status at {endpoint.shown}", _OFF) from None
    if not isinstance(document, dict) or not isinstance(document.get("backends"), list):
        raise CommandError(Exit.UNAVAILABLE, f"{endpoint.shown} has no status of vmcp", "name the admin port")
    found = [line.removeprefix(_FIGURE) for line in metrics.splitlines() if line.startswith(_FIGURE)]
    return {**document, _SESSIONS: int(float(found[0]))} if found else document


def _print(status: PodStatus, sessions: int | None) -> None:
    rows = [
        (
            each.name,
            each.status,
            each.transport or "-",
            "-" if each.tools is None else str(each.tools),
            _ails(each),
        )
        for each in status.backends
    ]
    print_table(("Backend", "Status", "Transport", "Tools", "Reason"), rows)
    if sessions is not None:
        click.echo(f"sessions: {sessions}")
    for line in notes(status):
        click.echo(clean(line))


def _ails(backend: BackendReport) -> str:
    """What is wrong with it, for all callers or for those that need a token of their own."""
    callers = f"callers get no token for it: {backend.callers}" if backend.callers else ""
    return "; ".join(filter(None, (backend.message, callers)))


def notes(status: PodStatus) -> list[str]:
    """What is to be said beside the table of backends."""
    lines = []
    if not status.backends:
        lines.append("no backend: the config names no server, so that nothing is served; add one to it")
    for each in status.conflicts:
        served = f"served by {each.winner}" if each.winner else "served by nobody"
        lines.append(f"conflict: {each.kind} {each.name} of {', '.join(each.losers)}, {served}")
    if status.load_error is not None:
        lines.append(f"config refused, the last good one is in force: {status.load_error.message}")
    lines += [f"missing secret: {each}" for each in status.missing_secrets]
    lines += [f"secret {each.name} {each.message}" for each in status.invalid_secrets]
    if status.audit and status.audit.is_away:
        lines.append(f"audit log goes nowhere, lines wait: {status.audit.message}")
    if status.store.is_away:
        lines.append(f"session store: {status.store.state}: {status.store.message}")
    if status.issuer and status.issuer.is_away:
        lines.append(f"issuer of tokens: {status.issuer.state}: {status.issuer.message}")
    if status.rate_limits and status.rate_limits.is_away:
        lines.append(f"rate limits cannot be checked: {status.rate_limits.message}")
    return lines

"""`vmcp status`: what an endpoint serves, and what is wrong with it."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import httpx2

from vmcp_api.naming import ADMIN_PORT
from vmcp_api.pod_status import (
    COMPOSITE_TOOLS,
    LEXICAL,
    OPTIMIZER,
    RATE_LIMITING,
    BackendReport,
    Health,
    PodStatus,
    UnmatchedReport,
    from_document,
    to_document,
)
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
_WORKLOAD: Final = "workload"
"""The setting of an unmatched entry that is about a backend itself."""

_FIGURES: Final = {
    _SESSIONS: "vmcp_sessions ",
    "auditWaiting": "vmcp_audit_waiting ",
    "auditDropped": "vmcp_audit_dropped_total ",
}
"""What stands beside the document: it changes with every request, so that the document itself does not hold it."""
_SEARCHES: Final = "searches"
_SEARCH_COUNT: Final = re.compile(r'vmcp_search_requests_total\{outcome="([a-z]+)"\} (\S+)')
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
        _print(status, document)
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
        and status.has_keys
        and not status.store.is_away
        and not (status.issuer and status.issuer.is_away)
        and not (status.rate_limits and status.rate_limits.is_away)
        and not (status.audit and status.audit.is_away)
        and not _has_no_vectors(status)
        and all(each.winner for each in status.conflicts)
    )


def _start(group: "LocalGroup") -> dict[str, Any]:
    async def look(proxy: "Proxy") -> PodStatus:
        return proxy.status()

    return to_document(asyncio.run(group.run(look)))


def _ask(url: str) -> dict[str, Any]:
    """The document as it came, whatever version says it, and the figures beside it."""
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
    found = {**document, **_figures(metrics.splitlines(), has_audit="audit" in document)}
    return {**found, _SEARCHES: _searches(metrics)} if "search" in document else found


def _figures(lines: Sequence[str], *, has_audit: bool) -> dict[str, int]:
    names = _FIGURES if has_audit else {_SESSIONS}
    return {
        name: int(float(line.removeprefix(_FIGURES[name])))
        for name in names
        for line in lines
        if line.startswith(_FIGURES[name])
    }


def _searches(metrics: str) -> dict[str, int]:
    """How many searches came to what, since the process began."""
    return {outcome: int(float(count)) for outcome, count in _SEARCH_COUNT.findall(metrics)}


def _print(status: PodStatus, figures: Mapping[str, Any]) -> None:
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
    if (sessions := figures.get(_SESSIONS)) is not None:
        click.echo(f"sessions: {sessions}")
    for line in (*notes(status), *_of_audit(figures), *_of_searches(figures)):
        click.echo(clean(line))


def _ails(backend: BackendReport) -> str:
    """What is wrong with it, for all callers or for those that need a token of their own."""
    callers = f"callers get no token for it: {backend.callers}" if backend.callers else ""
    return "; ".join(filter(None, (backend.message, callers)))


def notes(status: PodStatus) -> list[str]:
    """What is to be said beside the table of backends."""
    lines: list[str] = []
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
    lines += _of_search(status)
    lines += map(_unmatched, status.unmatched)
    return lines


def _has_no_vectors(status: PodStatus) -> bool:
    """Whether tools are ranked without the server of embeddings that the config names."""
    return bool(status.search and status.search.embeddings and status.search.embeddings.is_away)


def _of_search(status: PodStatus) -> Iterator[str]:
    """What lists cost without tool search and with it, and what tools are ranked by."""
    if status.search is None:
        return
    if status.search.embeddings and status.search.embeddings.is_away:
        yield f"tools are ranked without the server of embeddings: {status.search.embeddings.message}"
    ranking = "by words alone, without vectors" if status.search.ranking == LEXICAL else "by words and vectors"
    whole, listed = status.counts.context_bytes, status.counts.listed_context_bytes
    if listed is None:
        yield "tool search: there are too few tools for it, so that all are listed"
    else:
        yield f"tool search: lists have {listed:,} bytes instead of {whole or 0:,}; tools are ranked {ranking}"


def _unmatched(entry: UnmatchedReport) -> str:
    if entry.setting == RATE_LIMITING:
        remedy = "write the name that clients see, or would see of a hidden one"
        return f"rateLimiting.tools limits nothing: no tool is called {entry.name}; {remedy}"
    if entry.setting == OPTIMIZER:
        return f"optimizer.alwaysVisible shows nothing: no tool is called {entry.name}; write the name that clients see"
    if entry.setting == COMPOSITE_TOOLS:
        remedy = "write the name that clients see, or workload.tool"
        return f"a step of a composite tool calls what no backend serves: {entry.name}; {remedy}"
    if entry.setting == _WORKLOAD:
        return f"a setting matches nothing: no backend is called {entry.name}; correct it or remove it"
    return f"a setting matches nothing: {entry.setting} of {entry.backend}: {entry.name}; correct it or remove it"


def _of_searches(figures: Mapping[str, Any]) -> Iterator[str]:
    """How many searches for tools there were, and what came of them."""
    if counts := figures.get(_SEARCHES):
        named = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        yield f"searches for tools: {sum(counts.values())} since the process began ({named})"


def _of_audit(figures: Mapping[str, Any]) -> Iterator[str]:
    """How many events of the audit wait for their sink, and how many are lost."""
    waiting, dropped = figures.get("auditWaiting") or 0, figures.get("auditDropped") or 0
    if waiting or dropped:
        yield f"audit events: {waiting} wait, {dropped} are lost since the process began"

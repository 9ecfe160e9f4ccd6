"""`kubectl vmcp top`: what an endpoint and its backends have to do, from the metrics of its pods."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

import click
import httpx2

from vmcp_api.base import Json
from vmcp_api.naming import ADMIN_PORT
from vmcp_api.trouble.pods import is_ready
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.kube.figures import Figures, Line, Scrape, figures_of, parse_scrape
from vmcp_proxy.cli.kube.kubectl import AbsentError, DeniedError, Kubectl
from vmcp_proxy.cli.kube.logs import selector_of
from vmcp_proxy.cli.kube.options import cluster_options, kubectl_of, one_endpoint
from vmcp_proxy.cli.output import print_json, print_table

_SECONDS: Final = 10.0


@click.command("top")
@click.argument("name", required=False, metavar="[NAME]")
@cluster_options
@click.option("--seconds", type=click.FloatRange(0.1, 300.0), default=5.0, show_default=True, help="To watch.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    name: str | None,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    seconds: float,
    output: str,
) -> None:
    """Show requests a second, errors and latency of an endpoint and of each backend, and its sessions.

    Reads the metrics of every ready pod twice, through kubectl port-forward.

    Example: kubectl vmcp top -n tools everything --seconds 10
    """
    kubectl = kubectl_of(namespace, context, kubeconfig)
    endpoint = one_endpoint(kubectl, name)
    pods = ready_pods(kubectl, selector_of(endpoint))
    with ExitStack() as stack:
        ports = [stack.enter_context(kubectl.forward(f"pod/{pod}", ADMIN_PORT)) for pod in pods]
        began = time.monotonic()
        before = [_scrape(port) for port in ports]
        time.sleep(seconds)
        after = [_scrape(port) for port in ports]
        figures = figures_of(before, after, time.monotonic() - began)
    if output == "json":
        print_json(_document(figures, len(pods)))
        return
    rows = [_row("(endpoint)", figures.whole), *(_row(each.name, each) for each in figures.backends)]
    print_table(("Backend", "Requests/s", "Errors %", "p95 ms"), rows)
    click.echo(f"sessions: {figures.sessions} on {len(pods)} pod{'s' * (len(pods) != 1)}")


def ready_pods(kubectl: Kubectl, selector: str) -> Sequence[str]:
    """The names of the ready pods.

    Raises:
        CommandError: there are none, or they cannot be read.
    """
    try:
        pods = kubectl.list("pods", f"--selector={selector}")
    except (DeniedError, AbsentError) as error:
        raise CommandError(Exit.FAILED, str(error), "ask for the right to read pods") from None
    names = sorted(each["metadata"]["name"] for each in pods if is_ready(each))
    if not names:
        raise CommandError(Exit.UNAVAILABLE, "no pod of it is ready", "kubectl vmcp doctor says why")
    return names


def _scrape(port: int) -> Scrape:
    try:
        with httpx2.Client(timeout=_SECONDS) as client:
            answer = client.get(f"http://127.0.0.1:{port}/metrics")
            answer.raise_for_status()
            return parse_scrape(answer.text)
    except (httpx2.HTTPError, ValueError):
        raise CommandError(
            Exit.UNAVAILABLE, "a pod does not tell its metrics", "kubectl vmcp doctor says why"
        ) from None


def _row(name: str, line: Line) -> tuple[str, ...]:
    return (name, f"{line.rate:.1f}", _figure(line.errors), _figure(line.p95))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _document(figures: Figures, pods: int) -> dict[str, Json]:
    return {
        "pods": pods,
        "sessions": figures.sessions,
        **dict(_members(figures.whole)),
        "backends": [{"name": each.name, **dict(_members(each))} for each in figures.backends],
    }


def _members(line: Line) -> Iterator[tuple[str, float | None]]:
    yield "requestsPerSecond", line.rate
    yield "errorsPercent", line.errors
    yield "p95Milliseconds", line.p95

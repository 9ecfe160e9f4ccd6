"""`kubectl vmcp logs`: what an endpoint's pods write, those of one of its servers, or the operator."""

from collections.abc import Sequence
from typing import Final

import click

from vmcp_api.naming import GROUP, plural_of
from vmcp_api.text.suggest import suggest
from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.kube.kubectl import AbsentError, DeniedError, Kubectl
from vmcp_proxy.cli.kube.options import cluster_options, kubectl_of, one_endpoint
from vmcp_proxy.cli.kube.world import OPERATOR_LABELS

_SERVERS: Final = f"{plural_of('MCPServer')}.{GROUP}"


@click.command("logs")
@click.argument("name", required=False, metavar="[NAME]")
@cluster_options
@click.option("--operator", "is_operator", is_flag=True, help="The operator's log instead.")
@click.option("--server", metavar="NAME", help="The log of an MCPServer instead; of a stdio server also its bridge's.")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("--previous", is_flag=True, help="Of the containers before the last restart.")
@click.option("--tail", type=click.IntRange(min=-1), default=100, show_default=True, help="Lines; -1 shows all.")
@click.option("--since", metavar="TIME", help="Only newer ones, such as 10m.")
def command(
    name: str | None,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    tail: int,
    since: str | None,
    server: str | None,
    *,
    is_operator: bool,
    follow: bool,
    previous: bool,
) -> None:
    """Show the log of an endpoint's pods, each line with its pod.

    Application and audit events are JSON, told apart by their member `log`. What the process of a stdio server writes
    has its MCP messages among it. Exit code: kubectl's.

    Example: kubectl vmcp logs -n tools everything --follow
    """
    kubectl = kubectl_of(namespace, context, kubeconfig)
    options = [f"--tail={tail}", "--prefix", "--max-log-requests=50"]
    options += ["--follow"] if follow else []
    options += ["--previous"] if previous else []
    options += [f"--since={since}"] if since else []
    if sum((is_operator, server is not None, name is not None)) > 1:
        raise click.UsageError("NAME, --server and --operator do not go together.")
    if is_operator:
        raise click.exceptions.Exit(_of_operator(kubectl, options))
    if server is not None:
        raise click.exceptions.Exit(_of_server(kubectl, server, options))
    endpoint = one_endpoint(kubectl, name)
    raise click.exceptions.Exit(
        kubectl.run("logs", f"--selector={selector_of(endpoint)}", "--container=vmcp", *options)
    )


def selector_of(endpoint: Manifest) -> str:
    """The labels of an endpoint's pods."""
    name = endpoint["metadata"]["name"]
    return f"app.kubernetes.io/name=vmcp,app.kubernetes.io/component=proxy,app.kubernetes.io/instance={name}"


def _of_server(kubectl: Kubectl, name: str, options: Sequence[str]) -> int:
    """The log of all pods of a server: those of its image, and a bridge."""
    try:
        servers = [each["metadata"]["name"] for each in kubectl.list(_SERVERS)]
    except (DeniedError, AbsentError) as error:
        raise CommandError(Exit.FAILED, str(error), "ask for the right to read MCPServers") from None
    if name not in servers:
        where = "the namespace" if kubectl.namespace is None else f"namespace {kubectl.namespace}"
        raise CommandError(Exit.FAILED, f"{where} has no MCPServer {name}", suggest(name, servers, noun="MCPServers"))
    selector = f"app.kubernetes.io/name=mcp-server,app.kubernetes.io/instance={name}"
    return kubectl.run("logs", f"--selector={selector}", "--all-containers", *options)


def _of_operator(kubectl: Kubectl, options: Sequence[str]) -> int:
    try:
        found = kubectl.list("pods", f"--selector={OPERATOR_LABELS}", everywhere=True)
    except (DeniedError, AbsentError) as error:
        raise CommandError(Exit.FAILED, str(error), "ask who runs the operator") from None
    if not found:
        raise CommandError(Exit.FAILED, "no operator runs", "install the chart vmcp-operator")
    own = Kubectl(kubectl.program, kubectl.options, found[0]["metadata"]["namespace"])
    return own.run("logs", f"--selector={OPERATOR_LABELS}", "--container=operator", *options)

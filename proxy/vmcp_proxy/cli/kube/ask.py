"""`kubectl vmcp tools` and `kubectl vmcp explain`: the commands for any endpoint, through a port of a pod."""

from pathlib import Path
from typing import Final

import click

from vmcp_api.naming import ADMIN_PORT, MCP_PORT, vmcp_object_name
from vmcp_proxy.cli.endpoint.tools import command as tools_command
from vmcp_proxy.cli.endpoint.tools import search_option
from vmcp_proxy.cli.explain.command import command as explain_command
from vmcp_proxy.cli.kube.kubectl import Kubectl
from vmcp_proxy.cli.kube.options import cluster_options, kubectl_of, one_endpoint

_FORMATS: Final = ["table", "wide", "json"]


@click.command("tools")
@click.argument("name", required=False, metavar="[NAME]")
@cluster_options
@click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request; repeat it.")
@search_option
@click.option("-o", "--output", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.pass_context
def tools(
    ctx: click.Context,
    name: str | None,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    headers: tuple[str, ...],
    query: str | None,
    output: str,
) -> None:
    """List the tools that an endpoint serves to a client with these headers.

    Example: kubectl vmcp tools -n tools everything --header 'Authorization: Bearer ...'
    """
    kubectl = kubectl_of(namespace, context, kubeconfig)
    with kubectl.forward(_deployment(kubectl, name), MCP_PORT) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        ctx.invoke(tools_command, url=url, files=(), mcp_config=None, headers=headers, query=query, output=output)


@click.command("explain")
@click.argument("name", metavar="NAME")
@click.argument("capability", metavar="TOOL")
@cluster_options
@click.option("--as", "subject", metavar="SUB", help="The caller, as its token's `sub`; without it an anonymous one.")
@click.option("--issuer", metavar="ISS", help="Who vouches for the caller, as its token's `iss`.")
@click.option(
    "--claims",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="The claims of the caller's token as a JSON object; - reads them from stdin.",
)
@click.option("--arguments", metavar="OBJECT", help="The arguments of the call as a JSON object.")
@click.option("--kind", default="tool", show_default=True, help="What TOOL names: tool, resource or prompt.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def explain(
    ctx: click.Context,
    name: str,
    capability: str,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    subject: str | None,
    issuer: str | None,
    claims: Path | None,
    arguments: str | None,
    kind: str,
    output: str,
) -> None:
    """Say step by step whether a caller may use a name of the endpoint NAME, and what would change it.

    Example: kubectl vmcp explain -n tools everything web_fetch --as alice
    """
    kubectl = kubectl_of(namespace, context, kubeconfig)
    with kubectl.forward(_deployment(kubectl, name), ADMIN_PORT) as port:
        ctx.invoke(
            explain_command,
            words=(f"http://127.0.0.1:{port}", capability),
            subject=subject,
            issuer=issuer,
            claims=claims,
            arguments=arguments,
            kind=kind,
            files=(),
            mcp_config=None,
            output=output,
        )


def _deployment(kubectl: Kubectl, name: str | None) -> str:
    endpoint = one_endpoint(kubectl, name)
    return f"deployment/{vmcp_object_name(endpoint['metadata']['name'])}"

"""`kubectl vmcp status`: endpoints, or one with its backends, as the operator sees them."""

from collections.abc import Iterator, Sequence

import click

from vmcp_api.base import Json
from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.kube.options import all_endpoints, cluster_options, kubectl_of, one_endpoint
from vmcp_proxy.cli.output import clean, print_json, print_table


@click.command("status")
@click.argument("name", required=False, metavar="[NAME]")
@cluster_options
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Endpoints of all namespaces.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    name: str | None,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    output: str,
    *,
    everywhere: bool,
) -> None:
    """Show the VirtualMCPServers, or one with its backends; exit code 1 if one is not Ready.

    Example: kubectl vmcp status -n tools everything
    """
    if everywhere and (name or namespace):
        raise click.UsageError("-A does not go with NAME and -n.")
    kubectl = kubectl_of(namespace, context, kubeconfig)
    shown = all_endpoints(kubectl, everywhere=everywhere) if name is None else [one_endpoint(kubectl, name)]
    if output == "json":
        print_json([_document(each) for each in shown])
    else:
        _print(shown, is_one=name is not None)
    if not all(is_ready(each) for each in shown):
        raise click.exceptions.Exit(Exit.FAILED)


def is_ready(endpoint: Manifest) -> bool:
    """Whether the condition `Ready` holds for the present generation."""
    status = endpoint.get("status") or {}
    is_current = status.get("observedGeneration", 0) >= endpoint["metadata"].get("generation", 1)
    conditions = status.get("conditions") or ()
    return is_current and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _print(shown: Sequence[Manifest], *, is_one: bool) -> None:
    if not shown:
        click.echo("no VirtualMCPServer; name another namespace by -n, or all by -A", err=True)
        return
    print_table(("Namespace", "Name", "Phase", "Backends", "Tools", "Pods", "URL"), [_row(each) for each in shown])
    for each in shown:
        for line in _lines(each, is_one=is_one):
            click.echo(clean(line))
        if is_one and (backends := (each.get("status") or {}).get("backends")):
            click.echo()
            print_table(("Backend", "Kind", "Status", "Tools", "Reason"), [_backend(backend) for backend in backends])


def _row(endpoint: Manifest) -> tuple[str, ...]:
    metadata, status = endpoint["metadata"], endpoint.get("status") or {}
    return (
        metadata["namespace"],
        metadata["name"],
        status.get("phase") or "-",
        status.get("backendSummary") or "-",
        _number(status.get("toolCount")),
        f"{status.get('readyReplicas') or 0}/{_number(status.get('replicas'))}",
        status.get("url") or "-",
    )


def _backend(backend: Manifest) -> tuple[str, ...]:
    said = backend.get("message") or backend.get("reason") or ""
    return (backend["name"], backend["kind"], backend["status"], _number(backend.get("tools")), said)


def _lines(endpoint: Manifest, *, is_one: bool) -> Iterator[str]:
    status = endpoint.get("status") or {}
    if not is_ready(endpoint) or is_one:
        yield f"{endpoint['metadata']['name']}: {status.get('message') or 'no status yet'}"
    if not is_one:
        return
    if (listed := status.get("listedContextBytes")) is not None:
        yield f"tool search: lists have {listed:,} bytes instead of {status.get('contextBytes') or 0:,}"
    for each in status.get("conflicts") or ():
        served = f"served by {each['winner']}" if each.get("winner") else "served by nobody"
        yield f"conflict: {each['kind']} {each['name']} of {', '.join(each.get('backends') or ())}, {served}"


def _number(value: object) -> str:
    return "-" if value is None else str(value)


def _document(endpoint: Manifest) -> dict[str, Json]:
    metadata = endpoint["metadata"]
    return {"namespace": metadata["namespace"], "name": metadata["name"], "status": endpoint.get("status") or {}}

"""`vmcp doctor` and `kubectl vmcp doctor`: why an endpoint in a cluster does not serve, and what to mend first."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import click

from vmcp_api.base import Json
from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.kube.diagnosis import Diagnosis, Weight, diagnose, is_well
from vmcp_proxy.cli.kube.options import all_endpoints, cluster_options, kubectl_of, one_endpoint
from vmcp_proxy.cli.kube.world import read_world
from vmcp_proxy.cli.output import clean, print_json

_WORDS: Final = {
    Weight.STOPS: "stops it",
    Weight.LIMITS: "limits it",
    Weight.WAITS: "may pass",
    Weight.NOTE: "note",
}


@click.command("doctor")
@click.argument("name", required=False, metavar="[NAME]")
@cluster_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(name: str | None, namespace: str | None, context: str | None, kubeconfig: str | None, output: str) -> None:
    """Say why a VirtualMCPServer does not serve as it should, what to mend first on top.

    Reads by kubectl what its user may read, and changes nothing. Without NAME all of the namespace. Exit code 0: all is
    well; 1: there is something to mend.

    Example: vmcp doctor -n tools everything
    """
    kubectl = kubectl_of(namespace, context, kubeconfig)
    endpoints = all_endpoints(kubectl) if name is None else [one_endpoint(kubectl, name)]
    if not endpoints:
        one_endpoint(kubectl, None)
    now = datetime.now(UTC)
    found = [(each, diagnose(read_world(kubectl, each, now))) for each in endpoints]
    if output == "json":
        print_json([_document(*each) for each in found])
    else:
        for number, each in enumerate(found):
            click.echo("\n" * (number > 0) + "\n".join(map(clean, report(*each))))
    if not all(is_well(diagnoses) for _, diagnoses in found):
        raise click.exceptions.Exit(Exit.FAILED)


def report(endpoint: Manifest, found: Sequence[Diagnosis]) -> Iterator[str]:
    """The lines of one endpoint."""
    metadata, status = endpoint["metadata"], endpoint.get("status") or {}
    yield f"VirtualMCPServer {metadata['namespace']}/{metadata['name']}: {status.get('phase') or 'no status yet'}"
    to_mend = [each for each in found if each.weight is not Weight.NOTE]
    if not to_mend:
        yield "nothing to mend"
    for number, each in enumerate(to_mend, 1):
        yield f"{number:2}. [{_WORDS[each.weight]}] {each.subject}: {each.reason}"
        yield from (f"      {line}" for line in each.message.split("; "))
    for each in found:
        if each.weight is Weight.NOTE:
            yield f"note: {each.subject}: {each.message}"


def _document(endpoint: Manifest, found: Sequence[Diagnosis]) -> dict[str, Json]:
    metadata = endpoint["metadata"]
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "phase": (endpoint.get("status") or {}).get("phase"),
        "findings": [{key: str(value) for key, value in asdict(each).items()} for each in found],
    }

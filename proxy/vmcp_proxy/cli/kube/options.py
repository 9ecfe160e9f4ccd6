"""The options that choose a cluster and a namespace, as kubectl has them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vmcp_api.text.suggest import suggest
from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.kube.kubectl import AbsentError, DeniedError, Kubectl

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

ENDPOINTS = "virtualmcpservers.vmcp.dev"
"""The kind, so that no other group's short name is meant."""


def cluster_options(function: CommandT) -> CommandT:
    """Adds `-n`, `--context` and `--kubeconfig`."""
    function = click.option("--kubeconfig", metavar="FILE", help="Kubeconfig; by default kubectl's.")(function)
    function = click.option("--context", metavar="NAME", help="Context of the kubeconfig.")(function)
    return click.option("-n", "--namespace", metavar="NAME", help="Namespace; by default that of the context.")(
        function
    )


def kubectl_of(namespace: str | None, context: str | None, kubeconfig: str | None) -> Kubectl:
    """The kubectl that the options choose.

    Raises:
        CommandError: there is none.
    """
    named = {"context": context, "kubeconfig": kubeconfig}
    options = tuple(f"--{name}={value}" for name, value in named.items() if value is not None)
    return Kubectl.found(options, namespace)


def all_endpoints(kubectl: Kubectl, *, everywhere: bool = False) -> list[Manifest]:
    """The VirtualMCPServers of the namespace, or of all.

    Raises:
        CommandError: they cannot be read.
    """
    try:
        return kubectl.list(ENDPOINTS, everywhere=everywhere)
    except DeniedError as error:
        raise CommandError(Exit.FAILED, str(error), "ask for the right to read VirtualMCPServers") from None
    except AbsentError:
        raise CommandError(
            Exit.FAILED, "the cluster has no VirtualMCPServers", "install the chart vmcp-operator-crds"
        ) from None


def one_endpoint(kubectl: Kubectl, name: str | None) -> Manifest:
    """The VirtualMCPServer of that name; without a name the only one of the namespace.

    Raises:
        CommandError: there is none, or several.
    """
    there = all_endpoints(kubectl)
    if name is None and len(there) == 1:
        return there[0]
    names = [each["metadata"]["name"] for each in there]
    where = "the namespace" if kubectl.namespace is None else f"namespace {kubectl.namespace}"
    if name is None:
        if names:
            raise click.UsageError(f"Name one of {', '.join(names)}.")
        raise CommandError(Exit.FAILED, f"{where} has no VirtualMCPServer", "name another one by -n")
    found = next((each for each in there if each["metadata"]["name"] == name), None)
    if found is None:
        raise CommandError(Exit.FAILED, f"{where} has no VirtualMCPServer {name}", _elsewhere(kubectl, name, names))
    return found


def _elsewhere(kubectl: Kubectl, name: str, names: list[str]) -> str:
    """What may be meant by a name that nobody has here."""
    try:
        everywhere = kubectl.list(ENDPOINTS, everywhere=True)
    except (DeniedError, AbsentError, CommandError):
        everywhere = []
    spaces = sorted(each["metadata"]["namespace"] for each in everywhere if each["metadata"]["name"] == name)
    if spaces:
        return f"there is one in namespace {', '.join(spaces)}: name it by -n"
    return suggest(name, names, noun="VirtualMCPServers")

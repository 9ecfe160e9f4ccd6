"""`vmcp bridge`: what the command line says becomes a plan."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from vmcp_api.naming import ADMIN_PORT
from vmcp_proxy.backends.attached.kubernetes import KubernetesPod
from vmcp_proxy.cli.bridge.config import BridgeSource
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.serve.process import Plan, serve
from vmcp_proxy.run.settings import Settings

_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_PORT: Final = click.IntRange(0, 65535)
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@click.command("bridge")
@click.option("--name", required=True, help="Name of the MCPServer.")
@click.option("--namespace", required=True, help="Its namespace, and that of the pod.")
@click.option("--pod", required=True, help="Pod that the server runs in.")
@click.option("--container", required=True, help="Container of the pod, with `stdin: true` and without a terminal.")
@click.option("--port", type=_PORT, default=8080, show_default=True, help="Port to serve on.")
@click.option("--admin-port", type=_PORT, default=ADMIN_PORT, show_default=True, help="Port of /readyz and /metrics.")
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option(
    "--service-account",
    type=_FOLDER,
    default=_SERVICE_ACCOUNT,
    show_default=True,
    help="Folder with the token that may attach to the pod, and the cluster's CA certificates.",
)
@click.option(
    "--shutdown-delay",
    type=click.IntRange(0, 60),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Serve on for so long after SIGTERM, not ready any more.",
)
@click.option(
    "--log-format", type=click.Choice(["console", "json"]), default="json", show_default=True, help="How to log."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What to log to stderr.",
)
def command(
    name: str,
    namespace: str,
    pod: str,
    container: str,
    port: int,
    admin_port: int,
    host: str,
    service_account: Path,
    shutdown_delay: int,
    log_format: str,
    log_level: str,
) -> None:
    """Serve the stdio server in a pod by Streamable HTTP; the operator runs this for an MCPServer of transport stdio.

    It attaches to the container through the API server and speaks MCP with it on stdin and stdout, for all clients
    at once. What the server writes to stderr is logged at level debug.
    """
    place = KubernetesPod(find_api_server(os.environ), service_account, namespace, pod, container)
    settings = Settings(
        host=host,
        port=port,
        admin_host=host,
        admin_port=admin_port,
        is_local=False,
        shutdown_delay=shutdown_delay,
        attaches_to=place,
    )
    serve(Plan(BridgeSource(name, namespace), settings, log_level, log_format == "json"))


def find_api_server(environ: Mapping[str, str]) -> str:
    """The URL of the API server, as every pod is told it.

    Raises:
        CommandError: this process runs in no pod.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CommandError(Exit.UNAVAILABLE, "KUBERNETES_SERVICE_HOST is not set", "run this in a pod")
    shown = f"[{host}]" if ":" in host else host
    return f"https://{shown}:{port}"

"""`vmcp init`: a manifest that validates and serves as it is."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from vmcp_proxy.cli.exits import CommandError, Exit

DEFAULT_FILE: Final = "vmcp.yaml"

_HEAD: Final = """\
# One endpoint for many MCP servers.
#   vmcp validate {file}      checks this file
#   vmcp serve -f {file}      serves it on this machine; edits are taken over live
#   kubectl apply -f {file}   serves it in a cluster that runs the vmcp operator; servers of transport stdio,
#                             as those below, need the operator's chart to have stdio.enabled=true
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPServer
metadata:
  name: local
spec:
  groupRef:
    name: local
  incomingAuth:
    type: anonymous
  # Client headers that every backend gets, for example a key of the user:
  # passthroughHeaders:
  #   - X-Api-Key
  # Tools are called <backend>_<tool>; to serve only some of them:
  # config:
  #   aggregation:
  #     tools:
  #       - workload: example
  #         filter: [echo]
---
apiVersion: vmcp.dev/v1beta1
kind: MCPGroup
metadata:
  name: local
---
# A server that comes with vmcp. On this machine the command in the annotation is run, in a cluster the image.
apiVersion: vmcp.dev/v1beta1
kind: MCPServer
metadata:
  name: example
  annotations:
    vmcp.dev/local-command: {example}
spec:
  image: docker.io/mcp/everything:latest
  transport: stdio
  groupRef:
    name: local
"""

_TIME: Final = """\
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServer
metadata:
  name: time
  annotations:
    vmcp.dev/local-command: {time}
spec:
  image: docker.io/mcp/time:latest
  transport: stdio
  groupRef:
    name: local
"""

_NO_TIME: Final = "# Another server, once you have run: pip install mcp-server-time\n"

_TAIL: Final = """\
# A server that runs somewhere already:
# ---
# apiVersion: vmcp.dev/v1beta1
# kind: MCPServerEntry
# metadata:
#   name: remote
# spec:
#   remoteUrl: https://mcp.example.com/mcp
#   transport: streamable-http
#   groupRef:
#     name: local
"""


@click.command("init")
@click.argument("file", default=DEFAULT_FILE, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(file: Path, *, force: bool) -> None:
    """Write a commented manifest that validates and serves (by default vmcp.yaml)."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(build_manifest(str(file), sys.executable, has_time=find_spec("mcp_server_time") is not None))
    except FileExistsError:
        raise CommandError(Exit.FAILED, f"{file} exists", "name another file, or add --force") from None
    except OSError as error:
        raise CommandError(Exit.FAILED, f"{file} cannot be written: {error.strerror}", "name another file") from None
    click.echo(f"wrote {file}\nserve it with: vmcp serve -f {file}")


def build_manifest(file: str, python: str, *, has_time: bool) -> str:
    """The manifest; `python` runs the servers, the one of mcp-server-time only if `has_time`."""
    example = _command(python, "vmcp_proxy.cli.example_server")
    time = _TIME.format(time=_command(python, "mcp_server_time"))
    commented = _NO_TIME + "".join(f"# {line}" for line in time.splitlines(keepends=True))
    return _HEAD.format(file=file, example=example) + (time if has_time else commented) + _TAIL


def _command(python: str, module: str) -> str:
    """A JSON list of words as a YAML scalar: it stands whatever the path holds."""
    return json.dumps(json.dumps([python, "-m", module]))

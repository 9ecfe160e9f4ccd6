"""Backends as a process on a person's machine reaches them."""

import json
import re
import shlex
from typing import Final

from vmcp_api.config import Backend, Network, Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problem
from vmcp_api.manifests.resolve import Member
from vmcp_api.manifests.resources import Resources
from vmcp_api.naming import LOCAL_COMMAND, LOCAL_URL
from vmcp_api.render.member import Outcome, Refusal, build_tls
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.references import KeyRef
from vmcp_api.text.suggest import closest
from vmcp_api.text.texts import find_program_flaw

_OURS: Final = "vmcp.dev/local"
_URL: Final = re.compile(r"https?://[^\s/?#@]+([/?][^\s#]*)?")


def build_local_backend(member: Member, resources: Resources) -> Outcome:
    """The backend of a member whose references are all there."""
    if isinstance(member, MCPServer):
        return _server(member)
    return Backend(
        name=member.metadata.name,
        kind=member.kind,
        transport=Transport(member.spec.transport),
        url=member.spec.remote_url,
        network=Network.LOCAL,
        header_forward=member.spec.header_forward,
        tls=build_tls(member, resources),
    )


def _server(server: MCPServer) -> Outcome:
    annotations = server.metadata.annotations
    if LOCAL_COMMAND in annotations:
        return _stdio(server, annotations[LOCAL_COMMAND])
    if LOCAL_URL in annotations:
        return _http(server, annotations[LOCAL_URL])
    for written in annotations:
        if written.startswith(_OURS) and (meant := closest(written, (LOCAL_COMMAND, LOCAL_URL))) is not None:
            loc = ("metadata", "annotations", written)
            problem = Problem("is no annotation that is known here", f"did you mean {meant!r}?", loc)
            return Refusal(Reason.NO_LOCAL_COMMAND, problem)
    message = "local mode runs no containers and does not know how to reach this server"
    remedy = f"set the annotation {LOCAL_COMMAND} to a command, or {LOCAL_URL} to a URL"
    return Refusal(Reason.NO_LOCAL_COMMAND, Problem(message, remedy, ("metadata", "annotations")))


def _stdio(server: MCPServer, text: str) -> Outcome:
    command = parse_command(text)
    if not command:
        message, remedy = (
            "is no command",
            'write shell words or a JSON list such as ["python", "-m", "server"]',
        )
        loc = ("metadata", "annotations", LOCAL_COMMAND)
        return Refusal(Reason.INVALID_LOCAL_COMMAND, Problem(message, remedy, loc))
    spec = server.spec
    return Backend(
        name=server.metadata.name,
        kind=server.kind,
        transport=Transport.STDIO,
        network=Network.LOCAL,
        command=command,
        env={variable.name: variable.value for variable in spec.env},
        env_from_secret={
            secret.target_env_name or secret.key: KeyRef(name=secret.name, key=secret.key) for secret in spec.secrets
        },
    )


def _http(server: MCPServer, url: str) -> Outcome:
    if not _URL.fullmatch(url):
        message, remedy = "is no URL", "write one such as http://localhost:8080/mcp, without user name"
        loc = ("metadata", "annotations", LOCAL_URL)
        return Refusal(Reason.INVALID_LOCAL_COMMAND, Problem(message, remedy, loc))
    sse = server.spec.transport is Transport.SSE
    return Backend(
        name=server.metadata.name,
        kind=server.kind,
        transport=Transport.SSE if sse else Transport.STREAMABLE_HTTP,
        url=url,
        network=Network.LOCAL,
        header_forward=server.spec.header_forward,
    )


def parse_command(text: str) -> tuple[str, ...]:
    """The words of a command given as a JSON list or as shell words; empty when it is neither."""
    stripped = text.strip()
    try:
        words = json.loads(stripped) if stripped.startswith("[") else shlex.split(stripped)
    except (ValueError, RecursionError):
        return ()
    if not all(isinstance(word, str) and find_program_flaw(word) is None for word in words):
        return ()
    return tuple(words) if words and words[0] else ()

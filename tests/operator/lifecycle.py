"""Stories about servers of the MCP Lifecycle Operator: by the list of a group, and by their bindings."""

import json

from tests.operator.harness import Story, vmcp
from tests.operator.manifests import GATEWAY_CONFIG, GROUP, LIFECYCLE_SERVERS, VMCP
from vmcp_operator.errors import Denied
from vmcp_operator.plan.kinds import CONFIG_MAP, EVENT, GATEWAY_BINDING, LIFECYCLE_SERVER, MCP_GROUP, Ref

TOOLS = Ref(MCP_GROUP, "default", "tools")
BINDING = Ref(GATEWAY_BINDING, "default", "issues-gateway-binding")
ISSUES = Ref(LIFECYCLE_SERVER, "default", "issues")
WIKI = Ref(LIFECYCLE_SERVER, "default", "wiki")
CONFIG = Ref(CONFIG_MAP, "default", "gateway")
REFS = "ServerRefsValidated"


def takes(*refs, **spec):
    return lambda group: group.update(spec={"serverRefs": [{"name": ref} for ref in refs], **spec})


def listing(*names: str, text: str = LIFECYCLE_SERVERS, **spec) -> Story:
    """A group that names servers in its own list."""
    story = Story(GROUP + text)
    story.cluster.edit(TOOLS, takes(*names, **spec))
    return story


def bound(text: str = "", **spec) -> Story:
    """A group that takes bindings, and an endpoint that serves it."""
    story = Story(VMCP + GROUP + LIFECYCLE_SERVERS + GATEWAY_CONFIG + text)
    story.cluster.edit(TOOLS, lambda group: group.update(spec={"allowGatewayBindings": True, **spec}))
    return story


def serve(story: Story, name: str = "one", url: str | None = "http://issues.default.svc:9000/rpc", **said) -> None:
    """What an endpoint's status says once its pods run a config with the server."""
    backend = {"name": "issues", "kind": "MCPServerEntry", "status": "ready", "url": url, **said}
    status = {"url": f"http://vmcp-{name}.default.svc:4483/mcp", "backends": [backend]}
    story.cluster.edit(vmcp(name), lambda each: each.update(status=status))


def config(story: Story) -> dict:
    """What the pods of the endpoint run."""
    return json.loads(story.live(CONFIG_MAP, "vmcp-one-c1")["data"]["config.json"])


def served(story: Story) -> list[str]:
    return [each["name"] for each in config(story).get("backends", ())]


def events(story: Story) -> list[dict]:
    return [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT]


def deny(_verb: str, ref: Ref) -> None:
    """The API server, where the operator has no right to read such servers."""
    if ref.kind == LIFECYCLE_SERVER:
        raise Denied(str(ref), 403, "forbidden")

"""What several of these modules set up or do."""

from tests.support.raw_client import RawClient
from tests.support.scene import operational
from tests.support.scripted_backend import ScriptedBackend

QUIET = operational(failureHandling={"healthCheckInterval": "1h"})
"""No probes in between: what a backend hears is what a test made it hear."""


def everything() -> ScriptedBackend:
    return ScriptedBackend(
        resources=[{"uri": "test://a", "name": "a"}],
        templates=[{"uriTemplate": "test://t/{id}", "name": "t"}],
        prompts=[{"name": "ask"}],
    )


async def use_everything(client: RawClient) -> None:
    for kind in ("tools", "resources", "resourceTemplates", "prompts"):
        await client.names(kind)
    await client.call("one_echo")
    await client.result("resources/read", {"uri": "test://a"})
    await client.result("prompts/get", {"name": "one_ask"})
    await client.result("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}})
    await client.result("logging/setLevel", {"level": "info"})

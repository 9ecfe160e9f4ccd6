"""What `vmcp doctor` says of a group whose servers of another operator are not there."""

import pytest

from tests.contract.test_broken_worlds import TOOLS, settled, world_of
from tests.operator.endpoints import serving
from vmcp_operator.plan.kinds import MCP_GROUP
from vmcp_proxy.cli.kube.diagnosis import Weight, diagnose


@pytest.mark.scenario("K-27")
async def test_a_server_of_another_operator_that_is_not_there_is_told_though_no_backend_stands_for_it():
    story = await serving()
    story.cluster.edit(TOOLS, lambda group: group.update(spec={"serverRefs": [{"name": "wiki"}]}))
    found = diagnose(world_of(await settled(story)))
    told = next(each for each in found if each.subject == f"{MCP_GROUP} tools")
    assert (told.weight, told.reason) == (Weight.LIMITS, "ServerNotFound")
    assert "MCPServer.mcp.x-k8s.io 'wiki' does not exist in this namespace" in told.message

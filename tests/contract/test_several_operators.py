"""What `vmcp doctor` says where several operators run on one cluster (ADR-0064)."""

import pytest

from tests.contract.test_broken_worlds import OPERATOR, settled, waiting, world_of
from tests.operator.endpoints import serving
from tests.operator.manifests import ENTRY, GROUP, VMCP
from vmcp_proxy.cli.kube.diagnosis import diagnose


def operator(namespace: str, namespaces: str = "", ready: int = 1, lease: str = "") -> dict:
    variables = {"VMCP_NAMESPACES": namespaces, "VMCP_LEADER_ELECT_RESOURCE_NAMESPACE": lease}
    env = [{"name": name, "value": value} for name, value in variables.items()]
    return {
        **OPERATOR,
        "metadata": {"name": "vmcp-operator", "namespace": namespace},
        "spec": {"template": {"spec": {"containers": [{"name": "operator", "env": env}]}}},
        "status": {"readyReplicas": ready},
    }


WHOLE, OTHER_WHOLE = operator("system"), operator("other")
HOME, AWAY = operator("team", "default,more"), operator("away", "elsewhere")
PODS = tuple(
    {
        "kind": "Pod",
        "metadata": {"name": "vmcp-operator-1", "namespace": namespace},
        "status": waiting("operator", "ImagePullBackOff", f"no image in {namespace}"),
    }
    for namespace in ("system", "team")
)


async def found(*operators):
    story = await settled(await serving(VMCP + GROUP + ENTRY, "docs"))
    return [(each.reason, each.message) for each in diagnose(world_of(story, operators=operators, operator_pods=PODS))]


@pytest.mark.scenario("K-25", "K-28")
@pytest.mark.parametrize(
    "operators",
    [(WHOLE, HOME), (HOME, AWAY), (WHOLE, AWAY), (operator("system", ready=0), HOME)],
    ids=["one at home", "one elsewhere", "the whole and one elsewhere", "the whole one is not needed here"],
)
async def test_one_that_is_at_home_and_one_of_the_whole_cluster_go_together(operators):
    assert await found(*operators) == []


@pytest.mark.scenario("K-25", "K-28")
async def test_the_one_that_is_at_home_has_to_be_ready_whatever_the_other_one_is():
    ((reason, message),) = await found(WHOLE, operator("team", "default", ready=0))
    assert reason == "OperatorNotReady"
    assert "no image in team" in message
    assert "kubectl -n team logs deploy/vmcp-operator" in message


@pytest.mark.scenario("K-25", "K-28")
async def test_two_that_write_the_same_are_told_unless_they_share_a_lease():
    ((reason, message),) = await found(WHOLE, OTHER_WHOLE)
    assert reason == "SeveralOperators"
    assert "other/vmcp-operator and system/vmcp-operator write the same resources" in message
    assert await found(operator("system", lease="shared"), operator("other", lease="shared")) == []

"""The adapter, against an API server on a real socket."""

import pytest

from tests.operator.api_server import serving_api
from vmcp_operator.cluster.kube import connect
from vmcp_operator.errors import ClusterError, Denied
from vmcp_operator.plan.kinds import CONFIG_MAP, OWN, SERVER, VMCP


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as server:
        yield server


async def test_kinds_that_the_api_server_does_not_know_are_missing(api):
    async with connect(str(api.kubeconfig)) as cluster:
        assert await cluster.missing(OWN) == ()
        api.hidden |= {SERVER, VMCP}
        assert await cluster.missing(OWN) == (VMCP, SERVER)
        api.hidden |= set(OWN)
        assert await cluster.missing(OWN) == OWN


async def test_a_list_of_a_kind_that_does_not_exist_says_which_chart_to_install(api):
    api.refuse[VMCP.folder()] = 404
    api.refuse[CONFIG_MAP.folder()] = 403
    async with connect(str(api.kubeconfig)) as cluster:
        with pytest.raises(ClusterError, match="VirtualMCPServer list: no such kind; install the chart vmcp-operator-"):
            await cluster.list(VMCP, "")
        with pytest.raises(Denied, match="is forbidden"):
            await cluster.list(CONFIG_MAP, "")

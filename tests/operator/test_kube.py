"""The adapter, against an API server on a real socket."""

import pytest

from tests.operator.api_server import serving_api
from vmcp_operator.cluster.kube import connect
from vmcp_operator.errors import ClusterError, Denied, Rejected, Unavailable
from vmcp_operator.plan.kinds import CONFIG_MAP, OWN, SERVER, VMCP, Ref
from vmcp_operator.telemetry import Telemetry


def ignore(_method, _host, _status):
    pass


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as server:
        yield server


async def test_kinds_that_the_api_server_does_not_know_are_missing(api):
    async with connect(str(api.kubeconfig), ignore) as cluster:
        assert await cluster.missing(OWN) == ()
        api.hidden |= {SERVER, VMCP}
        assert await cluster.missing(OWN) == (VMCP, SERVER)
        api.hidden |= set(OWN)
        assert await cluster.missing(OWN) == OWN


async def test_a_list_of_a_kind_that_does_not_exist_says_which_chart_to_install(api):
    api.refuse[VMCP.folder()] = 404
    api.refuse[CONFIG_MAP.folder()] = 403
    async with connect(str(api.kubeconfig), ignore) as cluster:
        with pytest.raises(ClusterError, match="VirtualMCPServer list: no such kind; install the chart vmcp-operator-"):
            await cluster.list(VMCP, "")
        with pytest.raises(Denied, match="is forbidden"):
            await cluster.list(CONFIG_MAP, "")


async def test_every_request_is_counted_with_its_status_and_one_without_an_answer_as_an_error(api):
    telemetry = Telemetry()
    host = api.url.removeprefix("http://")
    api.refuse[CONFIG_MAP.folder()] = 403
    async with connect(str(api.kubeconfig), telemetry.on_request) as cluster:
        await cluster.list(VMCP, "")
        with pytest.raises(Denied):
            await cluster.list(CONFIG_MAP, "")
        await api.close()
        with pytest.raises(Unavailable):
            await cluster.get(Ref(VMCP, "a", "b"))

    def count(code):
        labels = {"code": code, "method": "GET", "host": host}
        return telemetry.registry.get_sample_value("rest_client_requests_total", labels)

    assert (count("200"), count("403"), count("<error>")) == (1, 1, 1)


async def test_the_proxy_of_the_environment_is_used_and_no_credentials_of_a_netrc_are(api, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", api.url)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(api.kubeconfig.read_text().replace(api.url, "http://127.0.0.1:9"))
    async with connect(str(elsewhere), ignore) as cluster:
        assert await cluster.list(VMCP, "") == ()
    assert [path for path, _, _ in api.asked] == [VMCP.folder()]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with connect(str(elsewhere), ignore) as cluster:
        with pytest.raises(Unavailable, match="no answer"):
            await cluster.list(VMCP, "")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("../../../configmaps", "..%2F..%2F..%2Fconfigmaps"),
        ("x?watch=true", "x%3Fwatch=true"),
        ("a#b", "a%23b"),
        ("a%2Fb", "a%252Fb"),
        ("a b", "a%20b"),
    ],
)
async def test_a_name_is_one_segment_of_the_path_whatever_it_contains(api, name, sent):
    async with connect(str(api.kubeconfig), ignore) as cluster:
        with pytest.raises(Unavailable, match="something else"):
            await cluster.get(Ref(CONFIG_MAP, "a", name))
    assert api.raw == [f"/api/v1/namespaces/a/configmaps/{sent}"]


@pytest.mark.parametrize(("namespace", "name"), [("a", ""), ("a", "."), ("a", ".."), ("", "a"), ("..", "a")])
async def test_a_name_that_would_mean_another_path_is_not_asked_for(api, namespace, name):
    ref = Ref(CONFIG_MAP, namespace, name)
    async with connect(str(api.kubeconfig), ignore) as cluster:
        with pytest.raises(Rejected, match="no object can be called that"):
            await cluster.get(ref)
        with pytest.raises(Rejected):
            await cluster.delete(ref, "uid")
    assert api.raw == []


async def test_only_the_object_that_was_asked_for_is_taken_for_it(api):
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    path = "/api/v1/namespaces/n/configmaps/a"
    async with connect(str(api.kubeconfig), ignore) as cluster:
        api.answers[path] = found
        assert await cluster.get(Ref(CONFIG_MAP, "n", "a")) == found
        for other in ([], {**found, "kind": "Secret"}, {**found, "metadata": {"name": "b", "namespace": "n"}}):
            api.answers[path] = other
            with pytest.raises(Unavailable, match="ConfigMap n/a: the API server answered with something else"):
                await cluster.get(Ref(CONFIG_MAP, "n", "a"))

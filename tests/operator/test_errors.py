import pytest

from vmcp_operator.errors import Conflict, Denied, Rejected, Unavailable, cluster_error


@pytest.mark.scenario("K-8")
@pytest.mark.parametrize(
    "message",
    [
        "failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
        "failed to convert new object (a/b; apps/v1, Kind=Deployment) to proper version: quantities must match",
    ],
)
def test_a_manifest_that_cannot_be_typed_is_rejected_though_the_api_server_blames_itself(message):
    assert type(cluster_error("Deployment a/b", 500, message)) is Rejected


@pytest.mark.parametrize(
    ("status", "kind"),
    [(0, Unavailable), (500, Unavailable), (503, Unavailable), (429, Unavailable), (403, Denied), (409, Conflict)],
)
def test_each_status_has_its_error(status, kind):
    assert type(cluster_error("x", status, "etcdserver: request timed out")) is kind

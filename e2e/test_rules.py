"""Every rule between fields, before the API server: one example on each side of it."""

import json

import pytest

from e2e.cluster import ClusterError
from tests.api.manifests import manifest
from tests.api.rulecases import RULE_CASES
from tests.api.test_rules import case_id


def create(kube, kind, name, spec):
    """Asks the API server what it would do."""
    wanted = manifest(kind, name, **spec)
    wanted["metadata"]["namespace"] = kube.namespace
    kube.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(wanted))


@pytest.mark.scenario("K-4")
@pytest.mark.parametrize("case", RULE_CASES, ids=case_id)
def test_the_api_server_refuses_what_breaks_a_rule_and_says_what_to_do(kube, case):
    with pytest.raises(ClusterError) as refused:
        create(kube, case.kind, case.rejected_name, case.rejected)
    assert "is invalid" in str(refused.value)
    assert (case.answer or case.words) in str(refused.value)


@pytest.mark.scenario("K-4")
@pytest.mark.parametrize("case", RULE_CASES, ids=case_id)
def test_the_api_server_takes_the_example_on_the_other_side_of_a_rule(kube, case):
    create(kube, case.kind, case.accepted_name, case.accepted)


@pytest.mark.scenario("K-4")
def test_the_api_server_refuses_a_field_that_does_not_exist(kube):
    with pytest.raises(ClusterError, match=r'unknown field "spec\.passthroughHeader"'):
        create(kube, "VirtualMCPServer", "one", {"passthroughHeader": ["X-A"]})

"""What `vmcp status` says of the issuer of callers' tokens."""

import pytest

from vmcp_api.pod_status import ISSUER_OK, ISSUER_UNAVAILABLE, ISSUER_UNKNOWN, BackendReport, IssuerReport, PodStatus
from vmcp_proxy.cli.endpoint.status import is_well, notes

SERVING = (BackendReport("one", "MCPServerEntry", "healthy"),)


def test_an_issuer_that_is_away_is_told_with_its_reason_and_is_not_well():
    status = PodStatus(backends=SERVING, issuer=IssuerReport(ISSUER_UNAVAILABLE, "its keys: HTTP status 500"))
    assert notes(status) == ["issuer of tokens: unavailable: its keys: HTTP status 500"]
    assert not is_well(status)


@pytest.mark.parametrize("issuer", [None, IssuerReport(ISSUER_OK), IssuerReport(ISSUER_UNKNOWN)])
def test_an_issuer_that_answers_or_was_not_asked_needs_no_word(issuer):
    status = PodStatus(backends=SERVING, issuer=issuer)
    assert notes(status) == []
    assert is_well(status)

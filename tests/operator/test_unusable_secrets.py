"""Keys of Secrets that are there and hold nothing: each condition that goes without says which, and what to do."""

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ENTRY, GROUP, SERVER, TELEMETRY, VMCP
from vmcp_api.pod_status import SecretReport, StoreReport
from vmcp_operator.plan.kinds import ENTRY as ENTRY_KIND
from vmcp_operator.plan.kinds import Ref

DOCS = Ref(ENTRY_KIND, "default", "docs")
EMPTY = "is empty; write the secret into it"
HEADER = "is empty; write a value, or remove the header"
REF = "{{name: {0}, key: {1}}}"
WHOLE = (
    VMCP.replace("  incomingAuth", "  telemetryConfigRef: {name: otel}\n  incomingAuth")
    + "  sessionStorage: {provider: redis, address: redis, passwordRef: {name: redis, key: password}}\n"
    + "  config: {audit: {enabled: true, sink: syslog, syslog: {address: 'logs:6514', transport: tls,"
    + " clientCertificateRef: {name: log}}}}\n"
    + GROUP
    + SERVER
    + ENTRY
    + TELEMETRY
)
CASES = {
    "the password of the session store": ("redis/password", EMPTY, "SessionStorageReady"),
    "a header for the collector": ("collector/token", HEADER, "TelemetryConfigured"),
    "the certificate for a syslog server": ("log/tls.key", EMPTY, "AuditConfigured"),
    "what the pods know of": ("billing/token", EMPTY, "AuthConfigured"),
}
AWAY = StoreReport("unavailable", "Redis refuses the user name or password; correct sessionStorage.username")


@pytest.mark.scenario("H-9", "K-6")
@pytest.mark.parametrize("case", CASES)
async def test_an_empty_key_is_told_where_it_is_needed_and_nowhere_else(case):
    key, flaw, wanted = CASES[case]
    secret, _, entry = key.partition("/")
    story = await serving(WHOLE)
    for reports, state in (((SecretReport(key, flaw),), "False"), ((), "True")):
        store = AWAY if reports and wanted == "SessionStorageReady" else StoreReport()
        story.run_pod(ONE, report=healthy(story, "files", "docs", invalid_secrets=reports, store=store))
        story.passes(10)
        await story.reconcile(ONE)
        told = {name: story.condition(ONE, name) for _, _, name in CASES.values()}
        assert told[wanted]["status"] == state
        if reports:
            assert told[wanted]["reason"] == "SecretInvalid"
            assert told[wanted]["message"] == f"key {entry!r} of Secret {secret!r} {flaw}"
        assert {name for name, condition in told.items() if condition["status"] == "False"} <= {wanted}
    assert story.status(ONE)["phase"] == "Ready"


async def test_what_is_missing_and_what_is_empty_are_told_together():
    story = await serving(WHOLE)
    reports = (SecretReport("billing/token", EMPTY),)
    story.run_pod(ONE, report=healthy(story, "files", "docs", missing_secrets=("billing/id",), invalid_secrets=reports))
    story.passes(10)
    await story.reconcile(ONE)
    condition = story.condition(ONE, "AuthConfigured")
    assert condition["reason"] == "SecretNotFound"
    assert condition["message"] == (
        "Secret keys are not there: billing/id; create them, the pods take them over;"
        f" key 'token' of Secret 'billing' {EMPTY}"
    )


async def test_backends_that_are_withheld_hide_no_secret_that_is_missing():
    story = await serving(WHOLE)
    story.cluster.edit(DOCS, lambda each: each["spec"].update(externalAuthConfigRef={"name": "nope"}))
    report = healthy(story, "files", missing_secrets=("billing/id",))
    story.run_pod(ONE, report=report)
    story.passes(10)
    await story.reconcile(ONE)
    condition = story.condition(ONE, "AuthConfigured")
    assert (condition["status"], condition["reason"]) == ("False", "ExternalAuthConfigNotFound")
    assert "docs: spec.externalAuthConfigRef.name: MCPExternalAuthConfig 'nope' does not exist" in condition["message"]
    assert condition["message"].endswith("Secret keys are not there: billing/id; create them, the pods take them over")


@pytest.mark.scenario("K-6")
async def test_nothing_is_said_of_what_no_config_says_yet():
    story = Story(VMCP + SERVER)
    story.passes(60)
    await story.reconcile(ONE)
    assert story.condition(ONE, "GroupRefValidated")["status"] == "False"
    names = ("AuthzConfigured", "TelemetryConfigured", "AuditConfigured", "RateLimitsEnforced", "SessionStorageReady")
    told = {(story.condition(ONE, name)["status"], story.condition(ONE, name)["reason"]) for name in names}
    assert told == {("Unknown", "NoConfig")}

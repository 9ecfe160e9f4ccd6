"""What the operator says of an audit log: whether its file can be written, and which Secrets its sink lacks."""

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.manifests import GROUP, SERVER, VMCP
from vmcp_api.pod_status import StoreReport
from vmcp_operator.plan.kinds import DEPLOYMENT

NAMED = "/var/log/vmcp/audit.log"


WRITABLE_ROOT = """\
  podTemplateSpec:
    spec:
      containers: [{name: vmcp, securityContext: {readOnlyRootFilesystem: false}}]
"""


def audited(audit, template=""):
    return f"{VMCP}  config: {{audit: {{enabled: true, {audit}}}}}\n{template}{GROUP}{SERVER}"


def mounting(volume, mount="mountPath: /var/log/vmcp"):
    volumes = f"volumes: [{{name: log, {volume}}}]"
    container = f"containers: [{{name: vmcp, volumeMounts: [{{name: log, {mount}}}]}}]"
    return f"  podTemplateSpec: {{spec: {{{volumes}, {container}}}}}\n"


@pytest.mark.parametrize(
    ("path", "template", "is_writable"),
    [
        ("/tmp/audit.log", "", True),
        (NAMED, "", False),
        ("/etc/vmcp/config/audit.log", "", False),
        ("/tmpfile", "", False),
        (NAMED, mounting("emptyDir: {}"), True),
        (NAMED, mounting("persistentVolumeClaim: {claimName: log}", "mountPath: /var/log"), True),
        (NAMED, mounting("emptyDir: {}", "mountPath: /var/log/vmcp, readOnly: true"), False),
        (NAMED, mounting("configMap: {name: x}"), False),
        (
            NAMED,
            WRITABLE_ROOT,
            True,
        ),
    ],
)
async def test_a_file_that_no_volume_takes_is_told_with_what_to_mount(path, template, is_writable):
    story = await serving(audited(f"sink: file, path: {path}", template), "files")
    condition = story.condition(ONE, "AuditConfigured")
    if is_writable:
        assert (condition["status"], condition["reason"]) == ("True", "Configured")
        assert story.status(ONE)["phase"] == "Ready"
        return
    assert (condition["status"], condition["reason"]) == ("False", "AuditPathNotWritable")
    assert "is on no writable volume of the pods; mount one there in podTemplateSpec" in condition["message"]
    assert story.status(ONE)["phase"] == "Degraded"
    assert story.status(ONE)["message"] == condition["message"]
    # It serves all the same.
    assert story.condition(ONE, "Ready")["status"] == "True"


async def test_the_secrets_of_a_sink_are_mounted_and_missed_under_the_audit_log_alone():
    header = "{name: X-Key, secretKeyRef: {name: logs, key: token}}"
    otlp = f"sink: otlp, otlp: {{endpoint: 'https://logs.example.com', sensitiveHeaders: [{header}]}}"
    story = await serving(audited(otlp), "files")
    volumes = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]["volumes"]
    (sources,) = [each["projected"]["sources"] for each in volumes if each["name"] == "secrets"]
    assert [each["secret"]["name"] for each in sources] == ["logs"]
    story.run_pod(ONE, report=healthy(story, "files", missing_secrets=("logs/token",)))
    story.passes(10)
    await story.reconcile(ONE)
    condition = story.condition(ONE, "AuditConfigured")
    assert (condition["status"], condition["reason"]) == ("False", "SecretNotFound")
    assert "logs/token" in condition["message"]
    assert story.condition(ONE, "AuthConfigured")["status"] == "True"


async def test_a_sink_that_takes_nothing_is_told_and_stops_nothing():
    story = await serving(audited(f"sink: file, path: {NAMED}", mounting("emptyDir: {}")), "files")
    for audit, told in (
        (StoreReport("unavailable", f"{NAMED}: No space left on device"), ("False", "AuditSinkUnavailable")),
        (StoreReport(), ("True", "Configured")),
    ):
        story.run_pod(ONE, report=healthy(story, "files", audit=audit))
        story.passes(10)
        await story.reconcile(ONE)
        condition = story.condition(ONE, "AuditConfigured")
        assert (condition["status"], condition["reason"]) == told
        assert audit.message in condition["message"]
        assert story.status(ONE)["phase"] == "Ready"


async def test_without_an_audit_log_there_is_nothing_to_say():
    story = await serving(VMCP + GROUP + SERVER, "files")
    assert story.condition(ONE, "AuditConfigured")["reason"] == "Off"

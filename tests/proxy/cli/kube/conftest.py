"""A cluster that a program in place of kubectl tells of."""

import json
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.cli.commands import Ended
from vmcp_api.kinds import KINDS
from vmcp_proxy.cli.kube.main import main

FAKE = Path(__file__).with_name("fake_kubectl.py")
LABELS = {
    "app.kubernetes.io/name": "vmcp",
    "app.kubernetes.io/component": "proxy",
    "app.kubernetes.io/instance": "tools",
    "app.kubernetes.io/managed-by": "vmcp-operator",
}
OPERATOR_LABELS = {"app.kubernetes.io/name": "vmcp-operator", "app.kubernetes.io/component": "operator"}


def condition(name, holds, reason, message=""):
    return {"type": name, "status": holds, "reason": reason, "message": message}


def endpoint(name="tools", namespace="default", **status):
    return {
        "kind": "VirtualMCPServer",
        "metadata": {"name": name, "namespace": namespace, "generation": 1},
        "spec": {},
        "status": {
            "observedGeneration": 1,
            "phase": "Ready",
            "message": "serving 1 backend",
            "url": f"http://vmcp-{name}.{namespace}.svc:4483/mcp",
            "backendSummary": "1/1",
            "toolCount": 3,
            "replicas": 1,
            "readyReplicas": 1,
            "conditions": [condition("Ready", "True", "Serving", "serving 1 backend")],
            **status,
        },
    }


def pod(name="vmcp-tools-1"):
    ready = [{"type": "Ready", "status": "True"}]
    metadata = {"name": name, "namespace": "default", "labels": LABELS}
    return {"kind": "Pod", "metadata": metadata, "status": {"phase": "Running", "conditions": ready}}


def operator():
    return {
        "kind": "Deployment",
        "metadata": {"name": "vmcp-operator", "namespace": "vmcp-system", "labels": OPERATOR_LABELS},
        "spec": {"template": {"spec": {"containers": [{"name": "operator"}]}}},
        "status": {"readyReplicas": 1},
    }


@dataclass
class Kube:
    """What the program answers, and how it was asked."""

    file: Path
    capsys: pytest.CaptureFixture[str]
    objects: list[Any] = field(default_factory=lambda: [endpoint(), pod(), operator()])
    refused: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    log: str = ""

    def call(self, *arguments: str) -> Ended:
        """`kubectl vmcp` within this process."""
        kinds = "\n".join(f"{each.lower()}s vmcp.dev/v1beta1 true {each}" for each in KINDS)
        answers = {
            "objects": self.objects,
            "refused": self.refused,
            "ports": self.ports,
            "lists": {"api-resources": kinds, "logs": self.log},
        }
        self.file.write_text(json.dumps(answers))
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        captured = self.capsys.readouterr()
        return Ended(int(exit_.value.code or 0), captured.out, captured.err)

    @property
    def calls(self) -> list[str]:
        """The command lines so far."""
        return self.file.with_suffix(".calls").read_text().splitlines()


@pytest.fixture
def kube(tmp_path, monkeypatch, capsys):
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(str(FAKE))} "$@"\n')
    program.chmod(0o755)
    file = tmp_path / "answers.json"
    monkeypatch.setenv("KUBECTL", str(program))
    monkeypatch.setenv("FAKE_KUBECTL", str(file))
    return Kube(file, capsys)

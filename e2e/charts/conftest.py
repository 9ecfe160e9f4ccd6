"""Finds helm or has it built, and runs it on the charts."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import ClusterError
from e2e.cluster.programs import find_helm
from e2e.support.screen import on_screen

CHARTS = Path(__file__).resolve().parents[2] / "charts"
TIMEOUT = 60.0
IMAGES = ("image.repository=registry.test/vmcp-operator", "proxy.image.repository=registry.test/vmcp-proxy")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What helm said; `objects` by kind and name."""

    code: int
    text: str
    errors: str
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Helm:
    """Runs helm without a cluster."""

    program: Path
    home: Path

    def template(self, chart: str, *settings: str, release: str = "vmcp", namespace: str = "vmcp-system") -> Outcome:
        """Renders a chart; `settings` are as for `--set`."""
        done = self._run("template", release, str(CHARTS / chart), "--namespace", namespace, *_flags(settings))
        loaded = [each for each in yaml.safe_load_all(done.text) if each] if done.code == 0 else []
        objects = {
            (each["kind"], f"{each['metadata'].get('namespace', '')}/{each['metadata']['name']}"): each
            for each in loaded
        }
        assert len(objects) == len(loaded), "two objects of one name"
        return Outcome(done.code, done.text, done.errors, objects)

    def operator(self, *settings: str, **options: str) -> Outcome:
        """Renders the operator's chart with images."""
        return self.template("vmcp-operator", *IMAGES, *settings, **options)

    def notes(self, chart: str, *settings: str) -> str:
        """What the person who installs a chart reads, where the cluster knows none of our kinds."""
        flags = (*_flags((*(IMAGES if chart == "vmcp-operator" else ()), *settings)), "--dry-run=client")
        probe = self._run("install", "vmcp", str(CHARTS / chart), "--namespace", "vmcp-system", *flags)
        assert probe.code == 0, probe.errors
        return probe.text.partition("NOTES:\n")[2]

    def lint(self, chart: str, *settings: str) -> Outcome:
        """Checks a chart."""
        return self._run("lint", "--strict", str(CHARTS / chart), *_flags(settings))

    def _run(self, *arguments: str) -> Outcome:
        environment = {**os.environ, "HOME": str(self.home), "KUBECONFIG": str(self.home / "none")}
        done = subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT, env=environment
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def helm(request, tmp_path_factory) -> Helm:
    """The helm that HELM names, the machine's own, or that of the cluster, which is built alone where it is missing."""
    named = os.environ.get("HELM")
    if named and not shutil.which(named):
        pytest.fail(f"HELM names {named}, which is no program")
    found = named or shutil.which("helm")
    if found is None:
        with on_screen(request.config):
            try:
                found = str(find_helm())
            except ClusterError as error:
                pytest.fail(f"no helm: install it, name it in HELM, or let it be built: {error}", pytrace=False)
    return Helm(Path(shutil.which(found) or found), tmp_path_factory.mktemp("helm"))


def _flags(settings: tuple[str, ...]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]

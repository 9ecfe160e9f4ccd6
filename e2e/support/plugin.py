"""`kubectl vmcp` as a plugin of the real kubectl."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from e2e.support.kube import Kube

PROGRAMS = str(Path(sys.executable).parent)
"""Where `kubectl-vmcp` is installed."""


def plugin_in(kube: Kube) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `kubectl vmcp` in a namespace; exit code, stdout, stderr."""
    environment = {**os.environ, **kube.cluster.environment}
    environment["PATH"] = f"{PROGRAMS}:{environment['PATH']}"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "vmcp", arguments[0], f"--namespace={kube.namespace}", *arguments[1:]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    return run

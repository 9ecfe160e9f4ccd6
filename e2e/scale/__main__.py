"""Measures the operator with a fleet, on a cluster of its own: `python -m e2e.scale --help`.

Pods are simulated; the operator is a process of this machine, so that nothing but it is measured.
"""

import argparse
import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from e2e.cluster import Cluster, Settings
from e2e.cluster.layout import cache_folder
from e2e.scale.fleet import Fleet
from e2e.scale.measure import measure

ROOT = Path(__file__).resolve().parents[2]
API_PORT = 6445
NAMESPACE = "vmcp-system"


def main() -> None:
    """Prints what each run found, as a JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.scale", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--backends", type=int, default=10, help="of each endpoint")
    parser.add_argument("--namespaces", type=int, default=10)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds for which nothing happens")
    parser.add_argument("--runs", type=int, default=1, help="each on a cluster of its own")
    options = parser.parse_args()
    fleet = Fleet(options.endpoints, options.backends, options.namespaces)
    for _ in range(options.runs):
        settings = Settings(folder=cache_folder() / "scale", port=API_PORT)
        with tempfile.TemporaryDirectory(prefix="vmcp-scale-") as folder, Cluster.up(settings) as cluster:
            charts = str(ROOT / "charts/vmcp-operator-crds")
            cluster.helm(
                "install", "crds", charts, f"--namespace={NAMESPACE}", "--create-namespace", "--wait", "--timeout=120s"
            )
            log = Path(folder, "operator.log")
            found = asyncio.run(measure(cluster.kubeconfig, fleet, NAMESPACE, log, options.idle))
        print(json.dumps({name: round(value, 3) for name, value in asdict(found).items()}), flush=True)


if __name__ == "__main__":
    main()

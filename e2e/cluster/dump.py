"""Writes down what a failed test leaves in the API, for a person to read."""

from collections.abc import Callable
from pathlib import Path

from e2e.cluster.errors import ClusterError

Kubectl = Callable[..., str]

# Values of Secrets stay in the cluster; events have a file of their own.
LEFT_OUT = frozenset({"secrets", "events", "events.events.k8s.io"})
CLUSTER_WIDE = ("namespaces", "nodes", "customresourcedefinitions.apiextensions.k8s.io")
COMMAND_TIMEOUT = 60.0
CONTAINERS = (
    "{range .items[*]}{.metadata.namespace} {.metadata.name}"
    "{range .status.initContainerStatuses[*]} {.name}={.restartCount}{end}"
    "{range .status.containerStatuses[*]} {.name}={.restartCount}{end}\n{end}"
)


def dump_api(kubectl: Kubectl, folder: Path) -> None:
    """Writes `resources/<resource>.yaml`, `events.txt`, `pods.txt` and `logs/<namespace>.<pod>.<container>.log`."""
    resources = folder / "resources"
    resources.mkdir(parents=True, exist_ok=True)
    names = _ask(kubectl, "api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    for name in sorted({*names, *CLUSTER_WIDE} - LEFT_OUT):
        text = _ask(kubectl, "get", name, "--all-namespaces", "--output=yaml")
        if "\nitems: []\n" not in text:
            (resources / f"{name}.yaml").write_text(text)
    events = _ask(kubectl, "get", "events", "--all-namespaces", "--sort-by=.lastTimestamp", "--output=wide")
    (folder / "events.txt").write_text(events)
    (folder / "pods.txt").write_text(_ask(kubectl, "describe", "pods", "--all-namespaces"))
    _dump_logs(kubectl, folder / "logs")


def _dump_logs(kubectl: Kubectl, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    listing = _ask(kubectl, "get", "pods", "--all-namespaces", f"--output=jsonpath={CONTAINERS}")
    for line in listing.splitlines():
        namespace, pod, *containers = line.split()
        for container, restarts in (entry.rsplit("=", 1) for entry in containers):
            logs = ("logs", f"--namespace={namespace}", pod, f"--container={container}", "--timestamps")
            base = f"{namespace}.{pod}.{container}"
            (folder / f"{base}.log").write_text(_ask(kubectl, *logs))
            if restarts != "0":
                (folder / f"{base}.previous.log").write_text(_ask(kubectl, *logs, "--previous"))


def _ask(kubectl: Kubectl, *arguments: str) -> str:
    # A dump is made when things are broken: what cannot be had is said in its place.
    try:
        return kubectl(*arguments, timeout=COMMAND_TIMEOUT)
    except ClusterError as error:
        return f"# {error}\n"

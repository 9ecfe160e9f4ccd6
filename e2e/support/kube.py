"""kubectl as functions, in one namespace of one cluster."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from e2e.cluster import Cluster, ClusterError
from e2e.support.watch import watch

Manifest = dict[str, Any]
Check = Callable[[Manifest], object]

PATIENCE = 90.0
_EVENTS = 12
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True, slots=True)
class Kube:
    """The objects of one namespace."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl printed."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments, stdin=stdin)

    def create_namespace(self) -> None:
        """Makes the namespace, at Pod Security level `restricted`, ready to take pods."""
        metadata = {"name": self.namespace, "labels": RESTRICTED}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.cluster.kubectl("create", "--filename=-", stdin=json.dumps(manifest))
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s")

    def delete_namespace(self) -> None:
        """Deletes the namespace with all that is in it; the cluster does so while the tests go on."""
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def apply(self, *objects: Manifest) -> None:
        """`kubectl apply` of manifests."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename=-", stdin=json.dumps(listed))

    def get(self, ref: str) -> Manifest:
        """An object by `kind/name`."""
        found: Manifest = json.loads(self.kubectl("get", ref, "--output=json"))
        return found

    def metadata(self, ref: str) -> Manifest:
        """The metadata of an object, which is all that is read of a Secret."""
        found: Manifest = json.loads(self.kubectl("get", ref, "--output=jsonpath={.metadata}"))
        return found

    def list(self, kind: str, selector: str = "") -> list[Manifest]:
        """The objects of a kind."""
        found: Manifest = json.loads(self.kubectl("get", kind, f"--selector={selector}", "--output=json"))
        return list(found["items"])

    def exists(self, ref: str) -> bool:
        """Whether there is such an object."""
        return bool(self.kubectl("get", ref, "--ignore-not-found", "--output=name"))

    def patch(self, ref: str, patch: Manifest, kind: str = "merge") -> None:
        """Patches an object."""
        self.kubectl("patch", ref, f"--type={kind}", f"--patch={json.dumps(patch)}")

    def delete(self, ref: str, *options: str) -> None:
        """Deletes an object and waits until it is gone."""
        self.kubectl("delete", ref, "--timeout=60s", *options)

    def until(self, ref: str, check: Check, seconds: float = PATIENCE) -> Manifest:
        """Watches an object, there or not yet, until it is so.

        Raises:
            ClusterError: time is up; the message has what it looked like last.
        """
        kind, _, name = ref.partition("/")
        last: Manifest | None = None
        command = ("get", kind, f"--namespace={self.namespace}", f"--field-selector=metadata.name={name}")
        for last in watch(self.cluster, command, seconds):
            if check(last):
                return last
        said = f"{describe(last)}\n{self._pods()}"
        raise ClusterError(f"{ref} in {self.namespace} did not come to it in {seconds:.0f} s\n{said}")

    def _pods(self) -> str:
        """The pods and the newest events of the namespace, for the message of a failed test."""
        try:
            pods = self.kubectl("get", "pods", "--output=wide")
            events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()
        except ClusterError as error:
            return str(error)
        return "\n".join((pods, *events[-_EVENTS:]))

    def until_phase(self, ref: str, phase: str, seconds: float = PATIENCE) -> Manifest:
        """Watches a resource of ours until it is in this phase and says so of its present generation."""

        def is_there(manifest: Manifest) -> bool:
            status = manifest.get("status") or {}
            return status.get("phase") == phase and status["observedGeneration"] == manifest["metadata"]["generation"]

        return self.until(ref, is_there, seconds)

    def until_gone(self, ref: str, seconds: float = PATIENCE) -> None:
        """Waits until there is no such object."""
        self.kubectl("wait", "--for=delete", ref, f"--timeout={seconds:.0f}s")

    def until_so(self, what: str, check: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Asks again and again; for what no watch tells."""
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise ClusterError(f"gave up waiting for {what}")
            time.sleep(0.2)


def condition(manifest: Manifest, name: str) -> Manifest:
    """A condition of an object's status; empty where there is none yet."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == name), {})


def backend(manifest: Manifest, name: str) -> Manifest:
    """What the status of a VirtualMCPServer says about a backend; empty where it does not know it."""
    backends = (manifest.get("status") or {}).get("backends") or ()
    return next((each for each in backends if each["name"] == name), {})


def describe(manifest: Manifest | None) -> str:
    """The status of an object, for the message of a failed test."""
    return "it was never there" if manifest is None else json.dumps(manifest.get("status", {}), indent=1)

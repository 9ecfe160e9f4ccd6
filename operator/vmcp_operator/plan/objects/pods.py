"""What all our pods have in common: security, spreading, probes."""

from typing import Any, Final

USER: Final = 65532
"""User and group of the containers; nobody of the image's own."""

POD_SECURITY: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The pod half of Pod Security level `restricted`."""

CONTAINER_SECURITY: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
"""The container half of Pod Security level `restricted`."""


TELLS_WHY: Final[dict[str, Any]] = {"terminationMessagePolicy": "FallbackToLogsOnError"}
"""Of containers of ours alone: the end of their log stands in the pod's status, and theirs holds no secrets."""


def http_probe(path: str, port: str) -> dict[str, Any]:
    """A probe of a named port."""
    return {"httpGet": {"path": path, "port": port, "scheme": "HTTP"}, "timeoutSeconds": 2}


ADMIN_PROBES: Final[dict[str, Any]] = {
    "startupProbe": {**http_probe("/healthz", "admin"), "periodSeconds": 1, "failureThreshold": 60},
    "livenessProbe": {**http_probe("/healthz", "admin"), "periodSeconds": 10, "failureThreshold": 3},
    "readinessProbe": {**http_probe("/readyz", "admin"), "periodSeconds": 2, "failureThreshold": 2},
}
"""Probes of a container of the proxy's image."""

TMP_VOLUME: Final[dict[str, Any]] = {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}
TMP_MOUNT: Final[dict[str, Any]] = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the only writable place


def spread(selector: dict[str, str]) -> list[dict[str, Any]]:
    """Pods stand on different nodes and in different zones where there are some."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]

"""Which operators look after a namespace, by what their Deployments say. Pure."""

from collections.abc import Iterable

from vmcp_api.trouble.pods import Manifest


def find_operators(operators: Iterable[Manifest], namespace: str) -> tuple[Manifest, ...]:
    """Those that look after a namespace: one that names it, or else one that names none (ADR-0064)."""
    known = [(each, _namespaces(each)) for each in operators]
    at_home = tuple(each for each, names in known if namespace in names)
    return at_home or tuple(each for each, names in known if not names)


def is_operator_ready(operator: Manifest) -> bool:
    """Whether a pod of it is ready."""
    return bool((operator.get("status") or {}).get("readyReplicas"))


def lease_of(operator: Manifest) -> tuple[str, str]:
    """The Lease that it works under; those that share one take turns."""
    metadata = operator["metadata"]
    where = _variable(operator, "VMCP_LEADER_ELECT_RESOURCE_NAMESPACE") or metadata["namespace"]
    return where, _variable(operator, "VMCP_LEADER_ELECT_RESOURCE_NAME") or metadata["name"]


def _namespaces(operator: Manifest) -> frozenset[str]:
    listed = _variable(operator, "VMCP_NAMESPACES")
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def _variable(operator: Manifest, name: str) -> str:
    containers = operator["spec"]["template"]["spec"]["containers"]
    variables = (each for container in containers for each in container.get("env") or ())
    return next((str(each.get("value") or "") for each in variables if each["name"] == name), "")

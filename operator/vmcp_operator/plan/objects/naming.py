"""Names, labels and annotations of what the operator creates."""

import hashlib
import json
from typing import Final

from vmcp_api.config import CONTRACT
from vmcp_api.naming import GROUP, keys_secret_name, vmcp_object_name
from vmcp_operator.plan.kinds import OWN, PROXIES, ChildNames, Manifest, Ref

OPERATOR: Final = "vmcp-operator"
NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"

APPLIED: Final = f"{GROUP}/applied"
"""Annotation of a child: the hash of the manifest that was applied last."""

RESTARTED_AT: Final = f"{GROUP}/restartedAt"
"""Annotation of a resource that is copied to its pods: changing it rolls them."""

PROCESS: Final = f"{GROUP}/process"
"""Annotation of the pod template: the hash of the settings that a proxy reads only when it starts."""

STAMP: Final = f"{GROUP}/config-stamp"
"""Annotation of a running pod: a change of it makes the kubelet refresh the pod's volumes at once."""

MANAGED: Final = f"{MANAGED_BY_LABEL}={OPERATOR}"
"""Label selector of everything that the operator created."""

PROXY_SELECTOR: Final = {NAME_LABEL: PROXIES.app, COMPONENT_LABEL: PROXIES.component}
"""Labels that every proxy pod carries."""

_OWNER_KINDS: Final = {kind.children.app: kind for kind in OWN if kind.children}


def selector_labels(owner: Ref) -> dict[str, str]:
    """Labels that tell the pods of one resource from all others; they never change."""
    names = _names(owner)
    return {NAME_LABEL: names.app, COMPONENT_LABEL: names.component, INSTANCE_LABEL: owner.name}


def labels(owner: Ref) -> dict[str, str]:
    """Labels of every child."""
    return {**selector_labels(owner), MANAGED_BY_LABEL: OPERATOR}


def selector_text(owner: Ref) -> str:
    """A label selector for the children and pods of one resource, whatever their component."""
    return _as_selector(any_component(labels(owner)))


def any_component(wanted: dict[str, str]) -> dict[str, str]:
    """Labels without the component: of all pods of a resource."""
    return {key: value for key, value in wanted.items() if key != COMPONENT_LABEL}


def process_labels(owner: Ref) -> dict[str, str]:
    """Labels that tell the pod of a stdio server's process from its bridge, which has the server's own."""
    return {**selector_labels(owner), COMPONENT_LABEL: "process"}


def scale_selector(owner: Ref) -> str:
    """A label selector for the pods of one resource, as the scale subresource tells it to an HPA."""
    return _as_selector(selector_labels(owner))


def owner_key(namespace: str, found: dict[str, str]) -> Ref | None:
    """The resource that an object with these labels belongs to; None for objects of other hands."""
    kind, name = _OWNER_KINDS.get(found.get(NAME_LABEL, "")), found.get(INSTANCE_LABEL)
    if found.get(MANAGED_BY_LABEL) != OPERATOR or kind is None or not name:
        return None
    return Ref(kind, namespace, name)


def object_name(owner: Ref) -> str:
    """Name of the Deployment, Service and other children."""
    return _names(owner).of(owner.name)


def bridge_name(owner: Ref) -> str:
    """Name of what lets a stdio server's bridge attach: ServiceAccount, Role and RoleBinding."""
    return f"{object_name(owner)}-bridge"


def config_map_name(owner: Ref) -> str:
    """Name of the ConfigMap with the config of this contract."""
    return f"{vmcp_object_name(owner.name)}-c{CONTRACT}"


def keys_name(owner: Ref) -> str:
    """Name of the Secret with the session keys."""
    return keys_secret_name(owner.name)


def _names(owner: Ref) -> ChildNames:
    if owner.kind.children is None:
        raise ValueError(f"{owner.kind} has no children; give its Kind their names")
    return owner.kind.children


def _as_selector(wanted: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))


def digest(value: object) -> str:
    """16 hexadecimal digits that change when a JSON value does."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seal(manifest: Manifest) -> Manifest:
    """The manifest with its own hash as an annotation, ready to be applied."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED: digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}

"""The Deployment of a resource, and what the templates of all our pods have in common."""

from collections.abc import Mapping
from typing import Any, Final

from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.kinds import DEPLOYMENT, Manifest, Ref
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import RESTARTED_AT, labels, object_name, seal, selector_labels
from vmcp_operator.plan.objects.pods import POD_SECURITY, spread
from vmcp_operator.plan.objects.replicas import desired_replicas
from vmcp_operator.plan.objects.template import merge_template
from vmcp_operator.plan.world import World

_ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
_ALONE: Final = {"type": "Recreate"}


def deployment_ref(key: Ref) -> Ref:
    """The Deployment of a resource."""
    return Ref(DEPLOYMENT, key.namespace, object_name(key))


def build_deployment(
    world: World, template: Manifest, override: Manifest | None, *, replicas: int, is_alone: bool = False
) -> Manifest | Problems:
    """A Deployment, sealed, that rolls without a pod less; `override` is the user's partial pod template.

    Where a pod has to be alone, the former one ends before the next, and nobody else says how many there are.
    """
    selector = selector_labels(world.key)
    merged = merge_template(template, override, selector)
    if isinstance(merged, Problems):
        return merged
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector},
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 300,
        "strategy": _ALONE if is_alone else _ROLLING,
        "template": merged,
    }
    ref = deployment_ref(world.key)
    wanted = replicas if is_alone else desired_replicas(replicas, world.children.get(ref))
    if wanted is not None:
        spec["replicas"] = wanted
    return seal(build_child(DEPLOYMENT, world.key, world.uid, ref.name, spec=spec))


def build_template(world: World, restarted: Mapping[str, str], annotations: Mapping[str, str], **spec: Any) -> Manifest:
    """A pod template: no token, restricted, spread; `restarted` are the annotations of the resource itself.

    The pods run as the resource's own ServiceAccount where `spec` names no other.
    """
    common: dict[str, Any] = {
        "serviceAccountName": object_name(world.key),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "topologySpreadConstraints": spread(selector_labels(world.key)),
    }
    metadata: dict[str, Any] = {"labels": labels(world.key)}
    rolling = {key: value for key, value in restarted.items() if key == RESTARTED_AT}
    if annotated := {**annotations, **rolling}:
        metadata["annotations"] = annotated
    return {"metadata": metadata, "spec": {**common, **spec}}

"""The children of an MCPServer over stdio: its process, the bridge before it, and what lets that attach (ADR-0058)."""

from typing import Any, Final

from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_operator.plan.kinds import POD, ROLE, ROLE_BINDING, SERVICE_ACCOUNT, STATEFUL_SET, Kind, Manifest, Ref
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.identity import build_service_account
from vmcp_operator.plan.objects.naming import bridge_name, labels, object_name, process_labels, seal
from vmcp_operator.plan.objects.pods import (
    ADMIN_PROBES,
    CONTAINER_SECURITY,
    TELLS_WHY,
    TMP_MOUNT,
    TMP_VOLUME,
)
from vmcp_operator.plan.objects.template import merge_template
from vmcp_operator.plan.objects.workload import build_deployment, build_template
from vmcp_operator.plan.server.workload import CONTAINER, PORT, bridge_admin_port, build_container
from vmcp_operator.plan.world import Objects, World

STDIO_KINDS: Final = (STATEFUL_SET, ROLE, ROLE_BINDING, SERVICE_ACCOUNT)
"""Of children that a server loses when its transport becomes another one."""

_BRIDGE: Final = "vmcp"
"""As in every pod of the proxy's image, so that a template for all of them fits."""

_RESOURCES: Final = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
_END_SECONDS: Final = 5
"""Beyond the end of its input a process has so long: as the first one of its container, it may ignore SIGTERM."""
_BRIDGE_END_SECONDS: Final = 40
"""The drain of calls in flight (25 s), and what closing takes."""


def stateful_set_ref(key: Ref) -> Ref:
    """The StatefulSet of a stdio server's process."""
    return Ref(STATEFUL_SET, key.namespace, object_name(key))


def bridge_ref(kind: Kind, key: Ref) -> Ref:
    """What lets the bridge attach, of one kind."""
    return Ref(kind, key.namespace, bridge_name(key))


def split_pods(world: World, children: Objects) -> tuple[tuple[Manifest, ...], tuple[Manifest, ...]]:
    """The pods of the process and those of its bridge, by the StatefulSet among the children."""
    process = children.get(stateful_set_ref(world.key))
    uid = process["metadata"]["uid"] if process else None
    of_process = tuple(pod for pod in world.pods if _is_of(pod, uid))
    return of_process, tuple(pod for pod in world.pods if pod not in of_process)


def _is_of(pod: Manifest, uid: str | None) -> bool:
    return any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences") or ())


def build_process(world: World, server: MCPServer) -> Manifest | Problems:
    """The StatefulSet, sealed: its pod has a name that is known beforehand."""
    own = process_labels(world.key)
    container = {**build_container(server), "stdin": True, "stdinOnce": True}
    base = build_template(
        world,
        server.metadata.annotations,
        {},
        containers=[container],
        terminationGracePeriodSeconds=_END_SECONDS,
        topologySpreadConstraints=[],
    )
    base["metadata"]["labels"] = labels(world.key) | own
    template = merge_template(base, server.spec.pod_template_spec, own)
    if isinstance(template, Problems):
        return template
    spec: dict[str, Any] = {
        "replicas": min(server.spec.replicas, 1),
        "serviceName": object_name(world.key),
        # In order, a pod that cannot run would stay although the next revision could.
        "podManagementPolicy": "Parallel",
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": own},
        "template": template,
    }
    name = object_name(world.key)
    return seal(build_child(STATEFUL_SET, world.key, world.uid, name, spec=spec))


def build_bridge(world: World, server: MCPServer, *, replicas: int) -> Manifest | Problems:
    """The Deployment, sealed."""
    base = build_template(
        world,
        server.metadata.annotations,
        {},
        serviceAccountName=bridge_name(world.key),
        automountServiceAccountToken=True,
        terminationGracePeriodSeconds=_BRIDGE_END_SECONDS,
        containers=[_container(world, server)],
        volumes=[TMP_VOLUME],
    )
    template = merge_template(base, world.settings.template, {})
    if isinstance(template, Problems):
        return template
    return build_deployment(world, template, None, replicas=min(replicas, 1), is_alone=True)


def is_bridge(deployment: Manifest, key: Ref) -> bool:
    """Whether a server's Deployment is that of its bridge."""
    return bool(deployment["spec"]["template"]["spec"].get("serviceAccountName") == bridge_name(key))


def tell_left_behind(key: Ref) -> Problem:
    """What may be there still of a stdio server after the operator has lost the rights to look at it."""
    name, bridge = object_name(key), bridge_name(key)
    message = f"its bridge is stopped, and StatefulSet {name}, Role {bridge} and RoleBinding {bridge} may be left"
    return Problem(message, "delete them, or the MCPServer")


def build_rights(world: World) -> tuple[Manifest, ...]:
    """The ServiceAccount of the bridge, and its right to attach to the process's pod and to have it replaced."""
    key, name = world.key, bridge_name(world.key)
    pod = [_pod_name(key)]
    rules = [
        # A WebSocket is a GET; newer API servers ask for the right to create as well.
        {"apiGroups": [""], "resources": ["pods/attach"], "resourceNames": pod, "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": [POD.plural], "resourceNames": pod, "verbs": ["delete"]},
    ]
    role = {"apiGroup": ROLE.group, "kind": ROLE.name, "name": name}
    subject = {"kind": SERVICE_ACCOUNT.name, "name": name, "namespace": key.namespace}
    return (
        build_service_account(world, name),
        build_child(ROLE, key, world.uid, name, rules=rules),
        build_child(ROLE_BINDING, key, world.uid, name, roleRef=role, subjects=[subject]),
    )


def _pod_name(key: Ref) -> str:
    return f"{object_name(key)}-0"


def _container(world: World, server: MCPServer) -> dict[str, Any]:
    port, admin = server.spec.mcp_port, bridge_admin_port(server)
    return {
        "name": _BRIDGE,
        "image": world.settings.image,
        "imagePullPolicy": world.settings.pull_policy,
        "command": ["vmcp"],
        "args": [
            "bridge",
            f"--name={world.key.name}",
            f"--namespace={world.key.namespace}",
            f"--pod={_pod_name(world.key)}",
            f"--container={CONTAINER}",
            f"--port={port}",
            f"--admin-port={admin}",
        ],
        "ports": [
            {"name": PORT, "containerPort": port, "protocol": "TCP"},
            {"name": "admin", "containerPort": admin, "protocol": "TCP"},
        ],
        "resources": _RESOURCES,
        "securityContext": {**CONTAINER_SECURITY, "readOnlyRootFilesystem": True},
        **TELLS_WHY,
        **ADMIN_PROBES,
        "volumeMounts": [TMP_MOUNT],
    }

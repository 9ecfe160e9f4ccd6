"""What is wrong with an endpoint in a cluster, in the order in which to mend it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from vmcp_api.kinds import KINDS
from vmcp_api.kinds.virtualmcpserver import BackendHealth
from vmcp_api.trouble.pods import Manifest, find_trouble, find_wait
from vmcp_api.trouble.said import moment
from vmcp_proxy.cli.kube.operators import find_operators, is_operator_ready, lease_of
from vmcp_proxy.cli.kube.world import World

_PATIENCE_SECONDS: Final = 30.0
"""The operator looks at a change within seconds; what it has not seen for so long it will not see."""

_LATER: Final = ("BackendsReady", "ToolConflicts", "SessionIdIsCredential", "Ready")
"""Conditions that are not told as they are: by backend, as notes, or by the message of the phase."""

_WARNED: Final = ("ToolConflicts", "SessionIdIsCredential")
"""Conditions that are worth a word where they hold."""

_BACKENDS: Final = frozenset({"BackendsUnavailable", "NoBackendAvailable", "CheckingBackends"})
"""Reasons of an endpoint that its backends explain."""

_WAITS: Final = frozenset({"PodsStarting", "RollingOut", "CheckingBackends", "ConfigLoading", "Loading", "PodsSilent"})
"""Reasons that time alone may end."""

_INSTALL: Final = "install or upgrade the chart vmcp-operator"


class Weight(StrEnum):
    """What a finding does to the endpoint: it does not serve, it serves less, it may serve soon, it serves."""

    STOPS = "stops"
    LIMITS = "limits"
    WAITS = "waits"
    NOTE = "note"


_LAST: Final = frozenset({Weight.WAITS, Weight.NOTE})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that is not as it should be: what it is about, a stable reason, what is so and what to do."""

    subject: str
    weight: Weight
    reason: str
    message: str


def diagnose(world: World) -> tuple[Diagnosis, ...]:
    """What to mend, the first first; what stops others comes before what they cause."""
    kept: list[Diagnosis] = []
    found = (_foundations, _unseen, _phase, _conditions, _group, _backends)
    for each in (each for part in found for each in part(world)):
        plain = replace(each, message=each.message.removeprefix(f"VirtualMCPServer/{world.name}: "))
        if not any(_says_more(other, plain) for other in kept):
            kept.append(plain)
    if _serves_now(world.endpoint):
        # What takes its time beside an endpoint that serves is nothing to mend.
        kept = [replace(each, weight=Weight.NOTE) if each.weight is Weight.WAITS else each for each in kept]
    kept.sort(key=lambda each: each.weight in _LAST)
    return (*kept, *(each for each in _notes(world) if not any(_tells(other, each) for other in kept)))


def _serves_now(endpoint: Manifest) -> bool:
    """Whether the present generation is Ready."""
    ready = _condition(endpoint, "Ready")
    is_current = ready.get("observedGeneration", 0) >= endpoint["metadata"].get("generation", 1)
    return is_current and ready.get("status") == "True"


def _says_more(told: Diagnosis, other: Diagnosis) -> bool:
    return told.subject == other.subject and (told.reason == other.reason or other.message in told.message)


def _tells(told: Diagnosis, note: Diagnosis) -> bool:
    """Whether a note warns of what is told already as what it does."""
    return note.message.removeprefix("warning: ").removeprefix(f"{told.subject.replace(' ', '/')}: ") in told.message


def _foundations(world: World) -> Iterator[Diagnosis]:
    """The kinds, and somebody who looks after them."""
    if world.kinds is not None and (lacks := sorted(KINDS.keys() - world.kinds)):
        message = f"the cluster lacks {', '.join(lacks)}; install or upgrade the chart vmcp-operator-crds"
        yield Diagnosis("cluster", Weight.STOPS, "KindsMissing", message)
    if world.endpoint["metadata"].get("deletionTimestamp"):
        message = "it is being deleted; what it owns goes with it"
        yield Diagnosis(_subject(world.endpoint), Weight.STOPS, "Deleted", message)
    if world.operators is None:
        return
    responsible = find_operators(world.operators, world.namespace)
    if not world.operators:
        message = f"no operator runs, so that the statuses are as it left them; {_INSTALL}"
        yield Diagnosis("operator", Weight.STOPS, "NoOperator", message)
    elif not responsible:
        message = (
            f"no operator watches namespace {world.namespace}; add it to rbac.namespaces of the chart vmcp-operator,"
            " or install with rbac.scope=cluster"
        )
        yield Diagnosis("operator", Weight.STOPS, "NotWatched", message)
    elif not any(map(is_operator_ready, responsible)):
        yield Diagnosis("operator", Weight.STOPS, "OperatorNotReady", _why_not_ready(world, responsible[0]))
    elif len({lease_of(each) for each in responsible}) > 1:
        names = " and ".join(sorted(map(_place, responsible)))
        message = f"{names} write the same resources; uninstall one of them, or let them share a Lease"
        yield Diagnosis("operator", Weight.LIMITS, "SeveralOperators", f"{message} by leaderElection.namespace")


def _place(manifest: Manifest) -> str:
    return f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _why_not_ready(world: World, operator: Manifest) -> str:
    where = operator["metadata"]
    look = f"kubectl -n {where.get('namespace')} logs deploy/{where.get('name')}"
    pods = [each for each in world.operator_pods if each["metadata"].get("namespace") == where.get("namespace")]
    trouble = find_trouble(pods, world.now) or find_wait(pods, world.now)
    said = (trouble.message or "it starts") if trouble else "no pod of it is ready"
    return f"the operator is not ready, so that the statuses are as it left them: {said}; see {look}"


def _unseen(world: World) -> Iterator[Diagnosis]:
    """Whether the status is about what is asked for now."""
    metadata, status = world.endpoint["metadata"], _status(world.endpoint)
    seen = status.get("observedGeneration")
    if seen is not None and seen >= metadata.get("generation", 1):
        return
    what = "has no status yet" if seen is None else f"is at generation {metadata['generation']}, its status at {seen}"
    created = moment(metadata.get("creationTimestamp"))
    is_new = seen is None and created is not None and (world.now - created).total_seconds() < _PATIENCE_SECONDS
    weight = Weight.WAITS if is_new or seen is not None else Weight.STOPS
    message = f"it {what}; if this lasts, see kubectl vmcp logs --operator"
    yield Diagnosis(_subject(world.endpoint), weight, "NotObserved", message)


def _phase(world: World) -> Iterator[Diagnosis]:
    """What decides the phase, which the operator has sorted from worst to best."""
    status = _status(world.endpoint)
    ready = _condition(world.endpoint, "Ready")
    is_ready = ready.get("status") == "True"
    if (is_ready and status.get("phase") == "Ready") or not ready or ready.get("reason") in _BACKENDS:
        return
    weight = Weight.LIMITS if is_ready else _weight(ready)
    message = str(ready.get("message") or status.get("message") or "")
    yield Diagnosis(_subject(world.endpoint), weight, str(ready.get("reason")), message)


def _conditions(world: World) -> Iterator[Diagnosis]:
    is_ready = _condition(world.endpoint, "Ready").get("status") == "True"
    for each in _status(world.endpoint).get("conditions") or ():
        if each["type"] in _LATER or each["status"] != "False":
            continue
        weight = Weight.LIMITS if is_ready and each["reason"] not in _WAITS else _weight(each)
        yield Diagnosis(_subject(world.endpoint), weight, each["reason"], each.get("message") or each["type"])
    yield from _pods(world)


def _pods(world: World) -> Iterator[Diagnosis]:
    """What keeps pods from running, where no operator tells."""
    if world.operators is None or any(map(is_operator_ready, find_operators(world.operators, world.namespace))):
        return
    own = [each for each in world.pods if _instance(each) == ("vmcp", world.name)]
    if trouble := find_trouble(own, world.now) or find_wait(own, world.now):
        name = own[0]["metadata"]["name"]
        yield Diagnosis(f"Pod {name}", Weight.STOPS, trouble.reason, trouble.message)


def _group(world: World) -> Iterator[Diagnosis]:
    """Servers of other operators that the group names and that no backend stands for."""
    name = ((world.endpoint.get("spec") or {}).get("groupRef") or {}).get("name", "")
    group = world.resource("MCPGroup", name)
    refs = _condition(group, "ServerRefsValidated") if group else {}
    if group is not None and refs.get("status") == "False":
        yield Diagnosis(_subject(group), Weight.LIMITS, refs["reason"], refs.get("message") or "")


def _backends(world: World) -> Iterator[Diagnosis]:
    status = _status(world.endpoint)
    is_useless = _condition(world.endpoint, "Ready").get("status") != "True"
    for each in status.get("backends") or ():
        said = each.get("message") or ""
        if each.get("status") == BackendHealth.UNAVAILABLE:
            weight = Weight.STOPS if is_useless else Weight.LIMITS
            yield _member(world, each, weight) or Diagnosis(
                f"{each['kind']} {each['name']}",
                weight,
                each.get("reason") or "Unavailable",
                said or "it does not answer",
            )
        elif each.get("status") in (BackendHealth.DEGRADED, BackendHealth.UNKNOWN) and said:
            yield Diagnosis(f"{each['kind']} {each['name']}", Weight.WAITS, each.get("reason") or "Unknown", said)


def _member(world: World, backend: Manifest, weight: Weight) -> Diagnosis | None:
    """What the member says of itself, where that is why it does not answer, and what it wrote last."""
    member = world.resource(backend["kind"], backend["name"])
    if member is None:
        return None
    ready = _condition(member, "Ready")
    if ready.get("status") != "False":
        return None
    last = world.last_words.get(backend["name"]) if backend["kind"] == "MCPServer" else None
    said = (ready.get("message"), f"the last line of its log: {last}" if last else "")
    weight = Weight.WAITS if ready["reason"] in _WAITS else weight
    return Diagnosis(_subject(member), weight, ready["reason"], "; ".join(filter(None, said)))


def _notes(world: World) -> Iterator[Diagnosis]:
    """What stops nobody and is worth a look."""
    subject = _subject(world.endpoint)
    for each in _status(world.endpoint).get("conditions") or ():
        is_warning = each["type"] in _WARNED and each["status"] == "True"
        is_doubt = each["type"] in ("Valid", "AuthzConfigured") and each["status"] == "True"
        if (is_warning or is_doubt) and each.get("message") and each["reason"] != "NoPolicies":
            yield Diagnosis(subject, Weight.NOTE, each["reason"], each["message"])
    for entry in _status(world.endpoint).get("unmatched") or ():
        message = f"{entry['setting']} {entry['name']!r} fits nothing; correct it or remove it"
        yield Diagnosis(subject, Weight.NOTE, "Unmatched", message)
    if _lacks_address(world.service):
        message = "its Service of type LoadBalancer has no address yet; look at the cluster's load balancer"
        yield Diagnosis(subject, Weight.NOTE, "NoAddress", message)
    for line in world.unread:
        yield Diagnosis("you", Weight.NOTE, "NotRead", f"{line}; what it would tell is missing here")


def _lacks_address(service: Manifest | None) -> bool:
    if service is None or service["spec"].get("type") != "LoadBalancer":
        return False
    return not ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress")


def is_well(found: Iterable[Diagnosis]) -> bool:
    """Whether nothing has to be mended."""
    return all(each.weight is Weight.NOTE for each in found)


def _weight(condition: Manifest) -> Weight:
    return Weight.WAITS if condition.get("reason") in _WAITS else Weight.STOPS


def _subject(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def _status(manifest: Manifest) -> dict[str, Any]:
    return manifest.get("status") or {}


def _condition(manifest: Manifest, name: str) -> dict[str, Any]:
    conditions = _status(manifest).get("conditions") or ()
    return next((each for each in conditions if each["type"] == name), {})


def _instance(pod: Manifest) -> tuple[str | None, str | None]:
    labels = pod["metadata"].get("labels") or {}
    return labels.get("app.kubernetes.io/name"), labels.get("app.kubernetes.io/instance")

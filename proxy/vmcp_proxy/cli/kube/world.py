"""What of a cluster an endpoint depends on, read once; what could not be read is told beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from vmcp_api.naming import GROUP, plural_of, vmcp_object_name
from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.kube.kubectl import AbsentError, DeniedError, Kubectl
from vmcp_proxy.cli.kube.last_words import read_last_words

ReadT = TypeVar("ReadT")

_AROUND: Final = ",".join(f"{plural_of(kind)}.{GROUP}" for kind in ("MCPGroup", "MCPServer", "MCPServerEntry"))

OPERATOR_LABELS: Final = "app.kubernetes.io/name=vmcp-operator,app.kubernetes.io/component=operator"
"""What the chart gives the operator's Deployment and pods."""


@dataclass(frozen=True, slots=True)
class World:
    """The objects that say why an endpoint serves or does not.

    `kinds` are the kinds of the API group that the cluster has, `operators` the operator's Deployments anywhere,
    `resources` the groups and members of the namespace, `pods` the endpoint's and its servers'; None is what could not
    be read. `last_words` are the last lines that servers in a crash loop wrote. `unread` says what could not be read
    and why, one line for each.
    """

    endpoint: Manifest
    now: datetime
    kinds: frozenset[str] | None = None
    operators: tuple[Manifest, ...] | None = None
    operator_pods: tuple[Manifest, ...] = ()
    resources: tuple[Manifest, ...] = ()
    deployment: Manifest | None = None
    service: Manifest | None = None
    pods: tuple[Manifest, ...] = ()
    last_words: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return str(self.endpoint["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.endpoint["metadata"]["namespace"])

    def resource(self, kind: str, name: str) -> Manifest | None:
        """One of our resources of the namespace."""
        named = (each for each in self.resources if each["metadata"]["name"] == name)
        return next((each for each in named if each["kind"] == kind), None)


@dataclass(slots=True)
class _Reader:
    """Reads what it may, and notes what not."""

    unread: list[str] = field(default_factory=list)

    def ask(self, question: Callable[[], ReadT], otherwise: ReadT) -> ReadT:
        """The answer; what stands for none where this person may not ask."""
        try:
            return question()
        except (DeniedError, AbsentError) as error:
            self.unread.append(str(error))
            return otherwise


def read_world(kubectl: Kubectl, endpoint: Manifest, now: datetime) -> World:
    """What there is around an endpoint.

    Raises:
        CommandError: no answer.
    """
    reader = _Reader()
    name = str(endpoint["metadata"]["name"])
    kinds: frozenset[str] | None = reader.ask(lambda: _kinds(kubectl), None)
    operators: tuple[Manifest, ...] | None = reader.ask(lambda: _operator(kubectl, "deployments.apps"), None)
    managed = "--selector=app.kubernetes.io/managed-by=vmcp-operator"
    pods: tuple[Manifest, ...] = reader.ask(lambda: tuple(kubectl.list("pods", managed)), ())
    return World(
        endpoint,
        now,
        kinds,
        operators,
        reader.ask(lambda: _operator(kubectl, "pods"), ()) if operators else (),
        reader.ask(lambda: tuple(kubectl.list(_AROUND)), ()),
        reader.ask(lambda: kubectl.get("deployments.apps", vmcp_object_name(name)), None),
        reader.ask(lambda: kubectl.get("services", vmcp_object_name(name)), None),
        pods,
        reader.ask(lambda: read_last_words(kubectl, endpoint, pods, now), {}),
        tuple(reader.unread),
    )


def _kinds(kubectl: Kubectl) -> frozenset[str] | None:
    """The kinds of the API group, by what the API server says of itself, which everybody may read."""
    names = kubectl.read("api-resources", f"--api-group={GROUP}", "--no-headers", "--cached=false")
    return frozenset(line.split()[-1] for line in names.splitlines() if line.strip())


def _operator(kubectl: Kubectl, kind: str) -> tuple[Manifest, ...]:
    return tuple(kubectl.list(kind, f"--selector={OPERATOR_LABELS}", everywhere=True))

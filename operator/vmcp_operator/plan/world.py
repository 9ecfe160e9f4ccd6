"""What one reconcile sees, and what it decides: frozen values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from vmcp_api.kinds.pods import NetworkPeer
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import Resources
from vmcp_api.pod_status import PodStatus
from vmcp_api.trouble.said import moment
from vmcp_operator.plan.kinds import Manifest, Ref

Objects: TypeAlias = Mapping[Ref, Manifest]
"""Objects that exist, whatever state they are in."""

Status: TypeAlias = dict[str, Any]
"""The status of a resource as the API server keeps it."""


YOUTH_SECONDS = 10.0
"""So long what a new resource refers to may be on its way: one file is applied object by object."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What the operator's own settings say about proxy pods; `metrics_from` may scrape every one of them.

    `namespace` is the operator's own, empty where it runs in no pod. `template` is the partial pod template of all
    proxies, over which the one of a resource goes; it was found to fit. `stdio` says that it may run stdio servers,
    `lifecycle` that it looks at servers of the MCP Lifecycle Operator.
    """

    image: str
    pull_policy: str = "IfNotPresent"
    metrics_from: tuple[NetworkPeer, ...] = ()
    namespace: str = ""
    template: Manifest = field(default_factory=dict)
    stdio: bool = False
    lifecycle: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """An object that was read and does not validate."""

    ref: Ref
    problems: Problems


@dataclass(frozen=True, slots=True)
class World:
    """One resource with everything that decides about it.

    `found` is what the kind's `reads` asked for and what is there, `resources` what validated of it and of the
    resource itself, `invalid` what did not; `problems` say why the resource itself did not. `unread` are servers of
    another operator that could not be read: they count as there and out of reach. `pods` are those behind
    its workloads, proved by owner uids. `reports` are the proxies' own answers by pod uid; `awaited` are the pods
    that have not been asked long enough to be called silent. `now` is the time at which the world was observed.
    """

    key: Ref
    now: datetime
    manifest: Manifest
    resources: Resources
    settings: PodSettings
    problems: Problems = field(default_factory=Problems)
    found: Objects = field(default_factory=dict)
    invalid: tuple[Invalid, ...] = ()
    unread: frozenset[Ref] = frozenset()
    children: Objects = field(default_factory=dict)
    pods: tuple[Manifest, ...] = ()
    reports: Mapping[str, PodStatus] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()

    @property
    def uid(self) -> str:
        """Identity of the resource."""
        return str(self.manifest["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """Generation of the resource that was observed."""
        return int(self.manifest["metadata"].get("generation", 0))

    @property
    def youth(self) -> float | None:
        """Seconds for which the resource is still new; None once it is not."""
        created = moment(self.manifest["metadata"].get("creationTimestamp"))
        left = 0.0 if created is None else YOUTH_SECONDS - (self.now - created).total_seconds()
        return left if left > 0 else None

    @property
    def status(self) -> Status:
        """The status that the resource has now."""
        return self.manifest.get("status") or {}

    @property
    def conditions(self) -> tuple[Mapping[str, Any], ...]:
        """The conditions that the resource has now."""
        return tuple(self.status.get("conditions") or ())


@dataclass(frozen=True, slots=True)
class Target:
    """A pod that is asked how it fares; `port` is its admin port, None where that is the usual one."""

    uid: str
    address: str
    is_ready: bool = True
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """A running pod whose volumes should be refreshed at once."""

    pod: Ref
    value: str


@dataclass(frozen=True, slots=True)
class Poll:
    """Pods to ask from now on, and the config hash that they should report; none before there is a config."""

    targets: tuple[Target, ...]
    digest: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: ask pods, post the keys, apply in order, prune, stamp.

    `poll` is None for a kind whose pods are not asked. `keys` is the manifest of the Secret without its bytes. `prune`
    names objects by uid. `requeue` is in seconds. What is refused keeps later manifests from being written, which may
    need it, unless `is_loose` says that none needs another.
    """

    poll: Poll | None = None
    keys: Manifest | None = None
    apply: tuple[Manifest, ...] = ()
    prune: tuple[tuple[Ref, str], ...] = ()
    stamps: tuple[Stamp, ...] = ()
    requeue: float | None = None
    is_loose: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A child that the API server did not take or let go, and why."""

    ref: Ref
    message: str
    is_rejected: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan: the children as they are now, and what was refused."""

    children: Objects = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()

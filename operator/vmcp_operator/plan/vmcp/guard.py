"""Why it cannot be told who may come in, or what they may do, and what holds meanwhile (ADR-0043)."""

from dataclasses import dataclass
from typing import Final

from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.conditions import summarise
from vmcp_operator.plan.kinds import AUTHZ_CONFIG, CONFIG_MAP, OIDC_CONFIG, Ref
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.vmcp.config import Choice
from vmcp_operator.plan.world import World

OIDC_NOT_FOUND: Final = "OIDCConfigNotFound"
OIDC_INVALID: Final = "OIDCConfigInvalid"
AUTHZ_NOT_FOUND: Final = "AuthzConfigNotFound"
AUTHZ_INVALID: Final = "AuthzConfigInvalid"
_KEPT: Final = "; what was in force stays: who may come in and what they may do is as before"
_OPEN: Final = "; nothing is served before, as nobody may be let in unasked"
LOST: Final = (
    "; the ConfigMap that held what was in force is gone: pods that run serve on by it, and no other starts before"
    " this is corrected"
)
"""Of an endpoint that cannot be rendered, and whose config somebody deleted."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Half of a guard that is missing; one that `may_come` lacks only objects that may be on their way."""

    reason: str
    message: str
    may_come: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """What is missing of who may come in and of what they may do."""

    incoming: Gap | None = None
    authorization: Gap | None = None

    @property
    def gap(self) -> Gap | None:
        """The first of both."""
        return self.incoming or self.authorization


def find_guard(world: World, choice: Choice) -> Guard:
    """What is missing, by the reference that leads nowhere or to something of no use."""
    vmcp = world.resources.of(VirtualMCPServer).get(world.key.name)
    if choice.unguarded is None or vmcp is None:
        return Guard()
    holds = _KEPT
    if choice.config is None:
        holds = LOST if deployment_ref(world.key) in world.children else _OPEN
    incoming, authorization = _targets(world.key.namespace, vmcp)
    return Guard(
        _gap(world, choice.unguarded.incoming, incoming, (OIDC_NOT_FOUND, OIDC_INVALID), holds),
        _gap(world, choice.unguarded.authorization, authorization, (AUTHZ_NOT_FOUND, AUTHZ_INVALID), holds),
    )


def _targets(namespace: str, vmcp: VirtualMCPServer) -> tuple[Ref | None, Ref | None]:
    """The objects that say how callers are identified, and what they may do."""
    auth = vmcp.spec.incoming_auth
    oidc = Ref(OIDC_CONFIG, namespace, auth.oidc_config_ref.name) if auth.oidc_config_ref else None
    if auth.authz_config_ref:
        return oidc, Ref(AUTHZ_CONFIG, namespace, auth.authz_config_ref.name)
    if auth.authz_config and auth.authz_config.config_map:
        return oidc, Ref(CONFIG_MAP, namespace, auth.authz_config.config_map.name)
    return oidc, None


def _gap(world: World, problems: Problems, target: Ref | None, reasons: tuple[str, str], holds: str) -> Gap | None:
    if not problems:
        return None
    missing, invalid = reasons
    is_missing = target is not None and target not in world.found
    return Gap(missing if is_missing else invalid, f"{summarise(problems)}{holds}", problems.may_come)

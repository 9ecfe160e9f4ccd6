"""VirtualMCPServer: settings that stand elsewhere here, and defaults that are others."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.convert.kinds.audit import convert_audit
from vmcp_api.convert.kinds.authorization import convert_policies
from vmcp_api.convert.kinds.older import convert_older_group, convert_older_strategies
from vmcp_api.convert.kinds.optimizer import convert_optimizer
from vmcp_api.convert.kinds.own_oidc import convert_own_provider
from vmcp_api.convert.kinds.telemetry import convert_own_telemetry
from vmcp_api.manifests.problems import Loc

_CONFIG: Final[Loc] = ("spec", "config")
_OIDC: Final[Loc] = ("spec", "incomingAuth", "oidcConfigRef")
_FAILURES: Final[Loc] = (*_CONFIG, "operational", "failureHandling")
_DEFAULT: Final = "is what ToolHive takes where nothing is said"
_ONCE_BESIDE: Final = ("aggregation", "compositeTools", "compositeToolRefs", "operational", "audit", "rateLimiting")
"""What older manifests write beside `config`."""

_ASKED: Final = "is what ToolHive does also with source inline: a server's own externalAuthConfigRef counts"
_NO_EFFECT: Final = "had no effect: spec says it, beside config"


def convert_virtual_server(draft: Draft) -> None:
    """A VirtualMCPServer."""
    _convert_places(draft)
    _convert_auth(draft)
    _convert_operation(draft)
    convert_audit(draft)
    convert_own_telemetry(draft)
    convert_optimizer(draft)
    if draft.get(*_CONFIG, "codeMode", "enabled") in (None, False):
        draft.drop((*_CONFIG, "codeMode"), "is off")


def _convert_places(draft: Draft) -> None:
    """What ToolHive takes in `config`, where its converter writes it, and what stands beside it here."""
    draft.drop((*_CONFIG, "name"), "is metadata.name")
    convert_older_group(draft)
    draft.move((*_CONFIG, "groupRef"), ("spec", "groupRef", "name"), "stands in spec, beside config")
    for key in ("incomingAuth", "outgoingAuth"):
        draft.drop((*_CONFIG, key), _NO_EFFECT)
    for key in ("passthroughHeaders", "sessionStorage"):
        draft.move((*_CONFIG, key), ("spec", key), "stands in spec, beside config")
    for key in _ONCE_BESIDE:
        draft.move(("spec", key), (*_CONFIG, key), "stands in spec.config")


def _convert_auth(draft: Draft) -> None:
    convert_own_provider(draft)
    scopes: Loc = (*_OIDC, "scopes")
    draft.move(scopes, (*_OIDC, "scopesSupported"), "are told to clients, and no token has to have them")
    convert_policies(draft)
    convert_older_strategies(draft)
    outgoing: Loc = ("spec", "outgoingAuth")
    if draft.get(*outgoing, "source") == "inline" and not draft.has((*outgoing, "default")):
        draft.add((*outgoing, "default", "type"), "discovered", _ASKED)


def _convert_operation(draft: Draft) -> None:
    draft.drop((*_FAILURES, "statusReportingInterval"), "is had without: the operator asks the pods by itself")
    if draft.has(_FAILURES):
        draft.add((*_FAILURES, "partialFailureMode"), "fail", _DEFAULT)
    timeouts: Loc = (*_CONFIG, "operational", "timeouts")
    if draft.has(timeouts):
        draft.add((*timeouts, "default"), "30s", _DEFAULT)

"""The rules on which Secrets may be named: none with the session keys of an endpoint (ADR-0049)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmcp_api.base import Model
from vmcp_api.kinds.mcpserver import MCPServerSpec, SecretEnv
from vmcp_api.kinds.mcpserverentry import EntryTls
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerSpec
from vmcp_api.manifests.problems import Loc
from vmcp_api.naming import KEYS_SECRET_PATTERN
from vmcp_api.rules.rule import Finding, Rule, require
from vmcp_api.spec.audit import Syslog
from vmcp_api.spec.references import KeyRef

_MESSAGE: Final = "is a Secret with the session keys of an endpoint, which nobody else may be shown; name another"
_HOLDERS: Final = frozenset({"secret", "secretRef", "secretKeyRef", "nodePublishSecretRef"})
"""Where a pod template names a Secret by `name`."""


def _holds_keys(name: object) -> bool:
    return isinstance(name, str) and re.search(KEYS_SECRET_PATTERN, name) is not None


def _no_keys(model: type[Model]) -> Rule:
    """A reference to one key of a Secret; one to a ConfigMap has the same form, and no need of such a name."""
    cel = f"!self.name.matches('{KEYS_SECRET_PATTERN}')"
    return require(model, ("name",), cel, _MESSAGE, lambda ref: not _holds_keys(ref.name))


def _certificate(model: type[Model]) -> Rule:
    """A reference to a TLS Secret as a whole."""
    cel = f"!has(self.clientCertificateRef) || !self.clientCertificateRef.name.matches('{KEYS_SECRET_PATTERN}')"

    def holds(part: Any) -> bool:
        return part.client_certificate_ref is None or not _holds_keys(part.client_certificate_ref.name)

    return require(model, ("clientCertificateRef", "name"), cel, _MESSAGE, holds)


def _find_in_template(spec: Any) -> Iterator[Finding]:
    yield from ((("podTemplateSpec", *loc), _MESSAGE) for loc in _named((), spec.pod_template_spec))


def _named(loc: Loc, part: object, holder: object = None) -> Iterator[Loc]:
    """Every place of a pod template that names such a Secret."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            place = (*loc, str(key))
            if _holds_keys(value) and (key == "secretName" or (key == "name" and holder in _HOLDERS)):
                yield place
            else:
                yield from _named(place, value, key)
    elif isinstance(part, list | tuple):
        for index, entry in enumerate(part):
            yield from _named((*loc, index), entry, holder)


def _template(model: type[Model]) -> Rule:
    """Of a pod template the API server knows no schema, so that the operator is the first to say it."""
    return Rule(model=model, cel="", message=_MESSAGE, find=_find_in_template)


SECRET_RULES: Final = (
    # In Python the second is part of the first, as its model is; CEL knows no such thing.
    _no_keys(KeyRef),
    _no_keys(SecretEnv),
    _certificate(EntryTls),
    _certificate(Syslog),
    _template(VirtualMCPServerSpec),
    _template(MCPServerSpec),
)
"""The rules on names of Secrets."""

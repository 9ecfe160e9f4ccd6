"""MCPExternalAuthConfig: the same strategies, but for those that there are not."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.manifests import toolhive
from vmcp_api.manifests.problems import Loc

_EXCHANGE: Final[Loc] = ("spec", "tokenExchange")
_OLD_KEYS: Final = {
    "token_url": "tokenUrl",
    "client_id": "clientId",
    "client_secret_ref": "clientSecretRef",
    "subject_token_type": "subjectTokenType",
    "external_token_header_name": "externalTokenHeaderName",
}
_UNKNOWN: Final = ("embeddedAuthServer", "awsSts", "upstreamInject", "obo", "xaa")


def convert_external_auth(draft: Draft) -> None:
    """An MCPExternalAuthConfig; of a strategy that there is not nothing is left, and who refers to it is not served."""
    kind = draft.get("spec", "type")
    if kind in _UNKNOWN:
        draft.refuse(
            f"is left out: there is no strategy {kind}, and servers that refer to it are not served",
            toolhive.VALUES[str(kind)],
        )
        return
    for old, new in _OLD_KEYS.items():
        draft.move((*_EXCHANGE, old), (*_EXCHANGE, new), f"is written {new}")
    scope = draft.get(*_EXCHANGE, "scope")
    if isinstance(scope, str) and scope.split():
        draft.put((*_EXCHANGE, "scope"), (*_EXCHANGE, "scopes"), scope.split(), "is a list")

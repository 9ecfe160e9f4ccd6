"""The config of a proxy in front of which a realm stands."""

from typing import Any

from e2e.keycloak.server import Realm

LOOPBACK = {"network": "local", "insecureAllowHttp": True}
"""How the realm is reached: by plain HTTP on the loopback."""

SECRETS = {("keycloak", "vmcp"): "vmcp-secret", ("keycloak", "tool"): "tool-secret"}
VMCP_SECRET = {"name": "keycloak", "key": "vmcp"}
TOOL_SECRET = {"name": "keycloak", "key": "tool"}


def oidc(realm: Realm, **more: Any) -> dict[str, Any]:
    """Callers come with tokens of the realm that are for the client `vmcp`."""
    return {"type": "oidc", "oidc": {"issuer": realm.issuer, "audience": "vmcp", **LOOPBACK, **more}}


def bearer(token: str) -> dict[str, str]:
    """The header of a caller, as a keyword of a scene's client."""
    return {"authorization": f"Bearer {token}"}

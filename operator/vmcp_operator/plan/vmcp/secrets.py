"""Which keys of which Secrets a proxy pod mounts."""

from typing import Any, Final, TypeAlias

from vmcp_api.config import ProxyConfig
from vmcp_api.render import secret_refs
from vmcp_operator.plan.kinds import Manifest

SECRETS_VOLUME: Final = "secrets"

SecretItems: TypeAlias = frozenset[tuple[str, str]]
"""(name of a Secret, key in it)."""


def needed_items(config: ProxyConfig) -> SecretItems:
    """What a config refers to."""
    return frozenset((ref.name, ref.key) for ref in secret_refs(config))


def mounted_items(deployment: Manifest | None) -> SecretItems:
    """What the pods of a live Deployment mount already."""
    if deployment is None:
        return frozenset()
    template = deployment["spec"]["template"]
    for volume in template["spec"].get("volumes") or ():
        if volume["name"] == SECRETS_VOLUME:
            sources = (volume.get("projected") or {}).get("sources") or ()
            return frozenset(
                (source["secret"]["name"], item["key"])
                for source in sources
                if "secret" in source
                for item in source["secret"].get("items") or ()
            )
    return frozenset()


def build_secrets_volume(items: SecretItems) -> dict[str, Any]:
    """One projected volume, `<name>/<key>`; a Secret that is missing keeps no pod from starting."""
    names = sorted({name for name, _ in items})
    return {
        "name": SECRETS_VOLUME,
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {
                    "secret": {
                        "name": name,
                        "optional": True,
                        "items": [
                            {"key": key, "path": f"{name}/{key}"} for holder, key in sorted(items) if holder == name
                        ],
                    }
                }
                for name in names
            ],
        },
    }

"""Which pods should look at their config again at once."""

from datetime import UTC, datetime, timedelta
from typing import Final

from vmcp_api.trouble.pods import is_running
from vmcp_operator.plan.kinds import POD, Manifest, Ref
from vmcp_operator.plan.objects.naming import STAMP
from vmcp_operator.plan.world import Stamp, World

AGAIN: Final = timedelta(seconds=10)
MOST: Final = 12
"""Stamps of one pod for one config; later the kubelet's own refresh has come by."""

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def build_stamps(world: World, digest: str | None) -> tuple[tuple[Stamp, ...], float | None]:
    """Stamps for running pods that report another config, and when to look again (seconds).

    A stamp is `<config hash>/<how many>/<when>`: the pod itself remembers when it was stamped last.
    """
    stamps: list[Stamp] = []
    lags = False
    for pod in world.pods:
        report = world.reports.get(pod["metadata"]["uid"])
        if digest is None or report is None or not is_running(pod) or report.config_hash == digest:
            continue
        count, since = _last(pod, digest)
        if count >= MOST:
            continue
        lags = True
        if since is None or world.now - since >= AGAIN:
            ref = Ref(POD, world.key.namespace, pod["metadata"]["name"])
            stamps.append(Stamp(ref, f"{digest}/{count + 1}/{world.now.strftime(_FORMAT)}"))
    return tuple(stamps), AGAIN.total_seconds() if lags else None


def _last(pod: Manifest, digest: str) -> tuple[int, datetime | None]:
    """How often the pod was stamped for this config, and when last."""
    value = (pod["metadata"].get("annotations") or {}).get(STAMP, "")
    parts = value.split("/")
    if len(parts) != 3 or parts[0] != digest or not parts[1].isdigit():  # noqa: PLR2004 - see `build_stamps`
        return 0, None
    try:
        return int(parts[1]), datetime.strptime(parts[2], _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return 0, None

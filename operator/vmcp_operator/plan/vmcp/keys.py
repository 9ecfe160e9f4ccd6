"""Which session key signs: none before every pod believes it (ADR-0068)."""

from vmcp_api.config import ProxyConfig
from vmcp_api.session_keys import FIRST_KEY_ID, choose_signing_key
from vmcp_api.trouble.pods import is_ready, is_running
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.world import World


def find_signing_key(world: World, live: ProxyConfig | None) -> str | None:
    """The id for the config of the pods: another than the live one's once all that are ready have said to have it.

    A pod that is not ready serves nobody and reads the Secret anew when it starts. One that is ready and has said
    nothing, or is of a version that does not tell, leaves all as it is. What was never told stays untold until every
    pod that runs has said it, ready or not: one of a release that does not know the member would refuse the config.
    Only an endpoint that is new signs with the key that it is given.
    """
    if live is None and deployment_ref(world.key) not in world.children:
        former: str | None = FIRST_KEY_ID
    else:
        former = live.signing_key if live else None
    serving = [pod for pod in world.pods if (is_running if former is None else is_ready)(pod)]
    reports = [world.reports.get(pod["metadata"]["uid"]) for pod in serving]
    rings = [report.key_ids for report in reports if report is not None and report.key_ids]
    return choose_signing_key(rings, former) if len(rings) == len(serving) else former

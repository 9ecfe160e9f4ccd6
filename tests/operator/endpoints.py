"""Endpoints that a story has already made Ready."""

from tests.operator.harness import Story, vmcp
from tests.operator.manifests import ALL
from vmcp_api.pod_status import BackendReport, Counts, PodStatus

ONE = vmcp()


def healthy(story, *names, **other):
    """A report of a pod that runs the wanted config and reaches these backends."""
    return PodStatus(
        config_hash=story.pods.digests[ONE] or "",
        backends=tuple(BackendReport(name, "MCPServer", "healthy", tools=3) for name in names),
        counts=Counts(tools=3 * len(names), resources=1, prompts=0, context_bytes=900),
        **other,
    )


async def serving(text=ALL, *names):
    """A story whose endpoint is Ready."""
    story = Story(text)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, *(names or ("files", "docs"))))
    story.passes(10)
    await story.reconcile(ONE)
    return story

"""How a run went, for people: what `vmcp call --trace` shows, and nothing of what was said; pure."""

from typing import Any, Final

import msgspec

from vmcp_proxy.workflows.model import Workflow
from vmcp_proxy.workflows.outcome import Report, StepRecord

KEY: Final = "vmcp.dev/trace"
"""Key of `_meta`: true in a request asks for it, in the result it stands under."""

_MILLISECONDS: Final = 1000


def describe(workflow: Workflow, report: Report) -> bytes:
    """The trace as JSON; of a failed step that there is a reason, which stands in the result, but not the reason."""
    needs = {step.id: list(step.needs) for step in workflow.steps}
    return msgspec.json.encode(
        {
            "workflow": workflow.name,
            "milliseconds": _milliseconds(report.seconds),
            "steps": [_step(record, needs.get(record.id, [])) for record in report.steps],
        }
    )


def _step(record: StepRecord, needs: list[str]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": record.id,
        "type": record.type.value,
        "status": record.status.value,
        "attempts": record.attempts,
        "start": _milliseconds(record.start),
        "milliseconds": _milliseconds(record.seconds),
        "dependsOn": needs,
    }
    if record.error:
        described["error"] = record.error
    if record.iterations is not None:
        described["iterations"] = msgspec.structs.asdict(record.iterations)
    return described


def _milliseconds(seconds: float) -> float:
    return round(seconds * _MILLISECONDS, 3)

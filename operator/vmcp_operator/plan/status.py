"""A status as the API server keeps it, from its model and back: the only place that writes camelCase keys."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from vmcp_api.kinds.status import StatusModel
from vmcp_operator.plan.world import Status

PartT = TypeVar("PartT", bound=StatusModel)


def dump_status(status: StatusModel) -> Status:
    """A status, or a part of one, as JSON data; what is unknown and lists without entries are left out."""
    dumped: Status = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in dumped.items() if value != []}


def read_parts(part: type[PartT], status: Mapping[str, Any], field: str) -> tuple[PartT, ...]:
    """The entries of a list in a live status, without those of another release that cannot be read."""
    parts = (_read(part, each) for each in status.get(field) or ())
    return tuple(each for each in parts if each is not None)


def _read(part: type[PartT], written: object) -> PartT | None:
    try:
        return part.model_validate(written, by_alias=True, by_name=False)
    except ValidationError:
        return None

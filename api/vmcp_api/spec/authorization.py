"""What callers may do: Cedar policies (ADR-0041)."""

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.text.cedar_hierarchy import MOST_ANCESTORS
from vmcp_api.text.cedar_text import MOST_CHARACTERS, MOST_POLICIES

DEFAULT_GROUP_CLAIMS: Final = ("groups",)


class PolicyMode(StrEnum):
    """Whether decisions bite, or are only counted and written down."""

    ENFORCE = "Enforce"
    SHADOW = "Shadow"


GroupClaims: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
    Field(
        max_length=16,
        description=(
            "Claims with the caller's groups, each the whole name of one, or else a path such as `realm_access.roles`;"
            " a list of groups, or the text of one; `scope` and `scp` are a list where they are text with blanks."
        ),
    ),
]

EntitiesJson: TypeAlias = Annotated[
    str,
    Field(
        max_length=1 << 18,
        description=(
            "Further Cedar entities, as the text of a JSON list; all entities above each of them, counted together,"
            f" may be {MOST_ANCESTORS}."
        ),
    ),
]

_SAID: Final = (
    f"Cedar policies; a text may hold several, all texts together {MOST_POLICIES} of them in {MOST_CHARACTERS}"
    " characters."
)


Mode: TypeAlias = Annotated[
    PolicyMode, Field(description="`Enforce`, or `Shadow`: decide and write down, deny nothing.")
]

Policies: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1 << 16)], ...],
    Field(
        min_length=1,
        max_length=256,
        description=f"{_SAID} What none permits is denied, and `forbid` wins.",
    ),
]


class Authorization(Model):
    """The policies of an endpoint: what none permits is denied, and `forbid` wins."""

    mode: Mode = PolicyMode.ENFORCE
    policies: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=1 << 20)], ...],
        Field(min_length=1, max_length=1024, description=_SAID),
    ]
    entities_json: EntitiesJson = "[]"
    group_claims: GroupClaims = DEFAULT_GROUP_CLAIMS

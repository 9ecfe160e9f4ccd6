"""One rule with examples on both sides of it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RuleCase:
    """A rule by its words, with specs (and names) on both sides of it.

    `answer` is what the API server says where it has words of its own.
    """

    kind: str
    path: str
    words: str
    rejected: dict[str, Any]
    accepted: dict[str, Any] = field(default_factory=dict)
    rejected_name: str = "one"
    accepted_name: str = "one"
    answer: str = ""

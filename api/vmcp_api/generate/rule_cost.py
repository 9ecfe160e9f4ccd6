"""What a rule on texts costs, as the API server estimates it before it takes a CRD: as if all lists were full."""

import math
from typing import Final

from vmcp_api.generate.schema import Schema

MOST: Final = 7_000_000
"""For one rule; the API server has 10 000 000 for each, and 100 000 000 for all of a CRD, other rules included."""

_BYTES_OF_CHARACTER: Final = 4
_FOR_BYTE: Final = 0.1
_FOR_BYTE_OF_PATTERN: Final = 0.25
_LONGEST_REQUEST: Final = 3 << 20


def cost_of_match(schema: Schema) -> int:
    """Of holding one text of a schema against its pattern."""
    size = schema["maxLength"] * _BYTES_OF_CHARACTER if "maxLength" in schema else _LONGEST_REQUEST
    return math.ceil(size * _FOR_BYTE) * math.ceil(len(schema["pattern"]) * _FOR_BYTE_OF_PATTERN)


def entries_of(schema: Schema) -> int:
    """How many entries a list or map may have."""
    return int(schema.get("maxItems") or schema.get("maxProperties") or _LONGEST_REQUEST)

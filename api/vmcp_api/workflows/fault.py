"""What is wrong with a composite tool, and where."""

from typing import TypeAlias

from vmcp_api.manifests.problems import Loc

Fault: TypeAlias = tuple[Loc, str]
"""A place relative to the composite tool (camelCase), and ``what is wrong; what to do``."""

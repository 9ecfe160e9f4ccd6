"""What follows from a composite tool before it runs: which steps wait for which, and what is wrong with it.

Pure, and the same for admission, operator, local mode and proxy.
"""

from vmcp_api.workflows.calls import Backends, composite_calls
from vmcp_api.workflows.dependencies import dependencies
from vmcp_api.workflows.doubts import doubts
from vmcp_api.workflows.fault import Fault
from vmcp_api.workflows.validation import faults

__all__ = ["Backends", "Fault", "composite_calls", "dependencies", "doubts", "faults"]

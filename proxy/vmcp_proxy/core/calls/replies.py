"""What becomes of a call whose backend gave no answer."""

from typing import Final

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.members.member import Bounds
from vmcp_proxy.core.outcomes import Unavailable, Unknown
from vmcp_proxy.core.virtual import Inner, Operation

_EARLY_SECONDS: Final = 0.05
"""By how much a timer of the loop may be early."""


def unknown(operation: Operation) -> Unknown:
    """The name is not in the caller's catalog."""
    return Unknown(operation.kind, operation.name)


def unavailable(error: BackendError) -> Unavailable:
    """The backend gave no answer, and when it may be asked again."""
    message = str(error)
    # An open circuit says so in its own text.
    if error.retry_after is not None and error.category is not Category.CIRCUIT_OPEN:
        message += f"; try again in {error.retry_after} s"
    return Unavailable(error.backend, error.category.value, message, error.retry_after)


def name_bound(
    error: BackendError, deadline: Deadline, bounds: Bounds, inner: Inner | None, now: float
) -> BackendError:
    """The error of a call whose time was up, with the bound and where it is set; any other as it is."""
    if error.category is not Category.TIMEOUT or error.hint or now + _EARLY_SECONDS < deadline.at:
        return error
    if inner is not None and inner.seconds <= bounds.maximum:
        return BackendError(error.backend, error.category, f"{inner.seconds:g} s is the bound of the step")
    seconds, setting = bounds.call(error.backend), "timeouts, or by timeout in an editor's file"
    if inner is not None or (deadline.at >= deadline.latest and bounds.maximum > seconds):
        seconds, setting = bounds.maximum, "timeouts.maximum"
    hint = f"{seconds:g} s is its bound, set by spec.config.operational.{setting}"
    return BackendError(error.backend, error.category, hint)

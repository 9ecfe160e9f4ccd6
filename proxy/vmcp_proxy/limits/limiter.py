"""What keeps the buckets, whatever it is made of."""

from collections.abc import Sequence
from typing import Protocol

from vmcp_api.pod_status import StoreReport
from vmcp_proxy.limits.bucket import Use, Waits


class Limiter(Protocol):
    """Buckets by name, over reloads of the config: those whose terms stay the same go on as they are."""

    @property
    def state(self) -> StoreReport:
        """Whether the buckets can be asked, as it went the last time."""

    def take_now(self, uses: Sequence[Use]) -> Waits | None:
        """A token of each bucket, all in one step, or of none; None, and none was taken, where that takes a wait."""

    async def take(self, uses: Sequence[Use]) -> Waits | None:
        """The same, waited for; None where nobody can say, after a bounded wait."""

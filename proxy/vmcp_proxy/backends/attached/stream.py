"""What an attachment is to a session, however it is carried."""

from typing import Protocol

from vmcp_proxy.backends.attached.pipe import Pipe


class Stream(Protocol):
    """The standard streams of one process, for as long as the attachment holds."""

    @property
    def stdout(self) -> Pipe:
        """What the process says."""

    @property
    def stderr(self) -> Pipe:
        """What it says beside."""

    @property
    def verdict(self) -> str:
        """Why the attachment ended, in the API server's words, where it said so; free of secrets."""

    async def run(self) -> None:
        """Fills both pipes until the attachment ends, and then ends them."""

    async def write(self, data: bytes) -> None:
        """Sends to the standard input of the process.

        Raises:
            OSError: the attachment has ended.
        """

    async def aclose(self) -> None:
        """Lets go of the process, whose input ends by that; bounded."""


class Pod(Protocol):
    """Where the process runs."""

    async def attach(self, seconds: float) -> Stream:
        """Attaches to the process, within so many seconds.

        Raises:
            AttachError: it cannot be had now.
        """

    async def replace(self) -> str:
        """Has the pod replaced by a new one; why that failed, empty where it did not."""


class AttachError(Exception):
    """There is no attachment; the text says why, and is free of secrets."""

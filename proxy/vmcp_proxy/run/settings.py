"""How one process is set up: what neither a resource nor a reload decides."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.distribution import DISTRIBUTION
from vmcp_api.spec.operational import Operational
from vmcp_proxy.backends.attached.stream import Pod
from vmcp_proxy.serve.stdio.pipes import Pipes
from vmcp_proxy.sessions import Keyring

SOFTWARE_VERSION: Final = version(DISTRIBUTION)

LOGGER: Final = "vmcp"
"""Name of the logger of the process."""

MCP_PORT: Final = 4483
ADMIN_PORT: Final = 9090


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses to listen on and the keys of sessions; `is_local` demands names of this machine in Host.

    With `needs_keys` the `keyring` only stands in until keys are mounted, and the process is not ready before.
    For `shutdown_delay` seconds after it was told to end, the process is not ready and serves as before.
    With `pipes` it serves the one client at their other ends, and listens on no MCP port. Without an `admin_port`
    there is none. With `attaches_to` the one backend is the process in that pod, and `initialize` is answered in its
    words (ADR-0058).
    """

    host: str = "127.0.0.1"
    port: int = MCP_PORT
    admin_host: str = "127.0.0.1"
    admin_port: int | None = ADMIN_PORT
    is_local: bool = True
    keyring: Keyring = field(default_factory=Keyring.random, repr=False)
    needs_keys: bool = False
    api_server: tuple[str, ...] = ()
    handles_signals: bool = True
    shutdown_delay: float = 0.0
    pipes: Pipes | None = None
    attaches_to: Pod | None = None


class LiveConfig:
    """The config in force: `current` is replaced as a whole; what it bounds asks here each time."""

    __slots__ = ("current",)

    def __init__(self, current: ProxyConfig) -> None:
        self.current = current

    @property
    def operational(self) -> Operational:
        """Its bounds and intervals."""
        return self.current.config.operational

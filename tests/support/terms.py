"""What backend sessions are opened for in tests."""

from vmcp_proxy.backends.interface import Terms
from vmcp_proxy.protocol.methods import Era


def legacy(capabilities: bytes) -> Terms:
    """Those of a client with a session that declares these capabilities."""
    return Terms(Era.LEGACY, capabilities)

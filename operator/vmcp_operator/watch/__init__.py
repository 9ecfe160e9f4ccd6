"""Turns what happens in the cluster into changes (ADR-0002)."""

from vmcp_operator.watch.events import read_change
from vmcp_operator.watch.scope import Scope
from vmcp_operator.watch.supervisor import Watch

__all__ = ["Scope", "Watch", "read_change"]

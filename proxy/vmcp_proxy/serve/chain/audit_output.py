"""The audit sink over reloads: opened when the config asks for one, kept while it asks for the same."""

import logging
import sys
from pathlib import Path

from vmcp_api.config import ProxyConfig
from vmcp_api.spec.audit import Audit
from vmcp_api.spec.audit import AuditSink as Destination
from vmcp_proxy.observability.audit import EventFilter
from vmcp_proxy.observability.audit_sink import AuditSink
from vmcp_proxy.serve.chain.auditing import Auditor, parse_networks
from vmcp_proxy.serve.chain.decision_data import DecisionData


class AuditOutput:
    """Hands out auditors that share one sink."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._sink: AuditSink | None = None
        self._destination: tuple[Destination, str | None] | None = None

    @property
    def dropped(self) -> int:
        """Events that could not be written."""
        return 0 if self._sink is None else self._sink.dropped

    def auditor_for(self, config: ProxyConfig) -> Auditor | None:
        """The auditor of a config; None where the audit is off.

        Raises:
            OSError: the audit file cannot be opened.
        """
        audit = config.config.audit
        if not audit.enabled:
            return None
        networks = parse_networks(config.config.operational.trusted_proxies)
        component = f"{config.namespace}/{config.name}"
        return Auditor(self._sink_for(audit), component, EventFilter.of(audit), networks, DecisionData.of(config))

    def close(self) -> None:
        """Writes what is left and closes the sink."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _sink_for(self, audit: Audit) -> AuditSink:
        wanted = (audit.sink, audit.path)
        if self._sink is None or self._destination != wanted:
            to_file = audit.sink is Destination.FILE and audit.path is not None
            sink = (
                AuditSink.to_file(Path(audit.path or ""), self._logger)
                if to_file
                else AuditSink(sys.stdout.buffer, self._logger)
            )
            self.close()
            self._sink, self._destination = sink, wanted
        return self._sink

"""How collectors are reached by OTLP over HTTP, for traces, metrics and logs alike (ADR-0047)."""

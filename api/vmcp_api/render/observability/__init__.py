"""What of an endpoint is seen from outside: audit and telemetry."""

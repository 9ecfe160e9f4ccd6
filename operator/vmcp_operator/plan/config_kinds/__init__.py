"""The settings that others refer to: providers, strategies, policies, telemetry. Nothing runs for them."""

"""The settings that others refer to: providers, strategies and policies. Nothing runs for them."""

"""Manifests for ToolHive become ours, and each of their values is told as kept, changed or lost (ADR-0053)."""

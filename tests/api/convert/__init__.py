"""Manifests of ToolHive as ours."""

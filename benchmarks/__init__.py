"""What the proxy costs, measured beside bare passthroughs by turns: `python -m benchmarks` (docs/performance.md)."""

"""One proxy under half load for a long time while everything around it breaks: `python -m benchmarks.soak`."""

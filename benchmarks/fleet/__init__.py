"""What many pods and their Redis need, from what one of each takes: `python -m benchmarks.fleet --help`."""

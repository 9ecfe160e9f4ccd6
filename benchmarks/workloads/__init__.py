"""What is measured; each module is one workload with a `run(rig)` that returns its result."""

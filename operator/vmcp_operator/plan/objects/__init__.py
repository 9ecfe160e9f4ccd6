"""The Kubernetes objects that any kind may need: workloads, services, identities, secrets, and their metadata."""

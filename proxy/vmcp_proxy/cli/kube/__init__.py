"""`kubectl vmcp` and `vmcp doctor`: an endpoint in a cluster, through the kubectl of whoever asks (ADR-0057)."""

"""What the end-to-end tests share: the installation, kubectl as functions, a way into the cluster's network."""

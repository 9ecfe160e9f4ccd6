"""One backend as it is served: its health and its circuit. Told the time; no I/O."""

"""Who takes part in a run; each module knows one program: its config, its command, how it says that it is ready."""

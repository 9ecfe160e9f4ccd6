"""The `vmcp` command: one module for each subcommand; only `main` is imported to show the help."""

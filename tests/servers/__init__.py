"""Real servers of others behind one proxy: `make servers` installs them, runs them, and compares what comes through."""

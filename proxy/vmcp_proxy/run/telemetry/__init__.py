"""Where counts, spans and audit lines of one proxy go, over reloads."""

"""Programs on this machine, apart from the protocol: what they inherit, what they say, how many run, how they end."""

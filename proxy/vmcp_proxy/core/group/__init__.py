"""The members of the group, and what lives and dies with the config."""

"""Everything around the operator breaks, while clients call tools; then every status is held against the world."""

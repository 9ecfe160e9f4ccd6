"""Objects of other API groups, as far as they are read here."""

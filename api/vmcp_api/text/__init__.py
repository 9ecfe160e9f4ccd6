"""Text that people write: YAML and JSON with positions, durations, and what was meant by a misspelt word."""

"""The streams of `subscriptions/listen`: what each has asked for, hears of, and holds at backends (ADR-0062)."""

"""The queue of keys to reconcile, and its workers."""

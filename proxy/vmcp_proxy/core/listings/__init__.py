"""From a backend's bytes to a listing that is kept."""

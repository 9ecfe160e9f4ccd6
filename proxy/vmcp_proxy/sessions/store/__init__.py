"""Where session records are kept: in memory or in Redis."""

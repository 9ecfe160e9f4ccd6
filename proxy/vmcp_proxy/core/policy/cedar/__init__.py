"""Cedar behind the admission seam (ADR-0041); pure but for the library."""

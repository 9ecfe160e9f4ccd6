"""From listings and settings to what is served; pure."""

"""What goes wrong in a way that the person who called can act on."""


class ClusterError(Exception):
    """The message says what failed and what to look at or to do."""

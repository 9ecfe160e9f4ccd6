"""The HTTP surface: chain, endpoint, streams, admin port."""

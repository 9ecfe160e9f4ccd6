"""Requests and answers over one channel that carries everything, which stdio and HTTP+SSE share."""

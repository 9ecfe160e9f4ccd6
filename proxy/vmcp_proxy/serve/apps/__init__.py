"""The two ASGI applications: the endpoint, and the admin port."""

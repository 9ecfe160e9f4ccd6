"""Software of others before and behind the proxy: clients and servers on the SDKs, each from its own lock."""

"""Serves one of the test servers on port 8080: `serve.py headers`, `serve.py notes` or `serve.py context`.

With `stdio` behind the name it is spoken to on its standard streams, and `stays` has it go on when its input ends.
"""

import os
import sys
import threading

import context
import headers
import notes
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

PORT = 8080
SERVERS = {"context": context.build_server, "headers": headers.build_server, "notes": notes.build_server}


def main() -> None:
    """Serves until SIGTERM; HOSTNAME, which is the pod's name, is part of the server's instructions."""
    name, *how = sys.argv[1:]
    server = SERVERS[name](os.environ.get("HOSTNAME", ""))
    if "stdio" in how:
        server.run("stdio")
        if "stays" in how:
            threading.Event().wait()
        return
    # Pods are addressed by Service names; a check of Host against loopback would refuse them all.
    anyone = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(transport_security=anyone)
    uvicorn.run(app, host="0.0.0.0", port=PORT, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()

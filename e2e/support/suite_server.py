"""The server that the conformance suite expects, as a backend of the cluster: the fixture of `tests/conformance`."""

from e2e.images.catalog import BACKENDS
from e2e.support.kube import Manifest
from e2e.support.manifests import server
from tests.conformance import fixture
from tests.conformance.installing import ROOT

PORT = 8080
SOURCES = "suite-server"
_FOLDER = "/suite"
_MODULE = fixture.__name__


def suite_server_sources() -> Manifest:
    """The fixture's modules, which its pods mount: an image of their own would be made of the same Python and SDK."""
    data = {path.name: path.read_text() for path in sorted((ROOT / _MODULE.replace(".", "/")).glob("*.py"))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SOURCES}, "data": data}


def suite_server(name: str, group: str, eras: str = "both") -> Manifest:
    """An MCPServer that serves the fixture in these eras; its namespace has the sources."""
    container = {
        "name": "mcp",
        "command": ["/opt/backends/bin/python", "-W", "ignore", "-m", _MODULE],
        "env": [{"name": "PYTHONPATH", "value": _FOLDER}],
        "volumeMounts": [{"name": "sources", "mountPath": f"{_FOLDER}/{_MODULE.replace('.', '/')}"}],
    }
    volume = {"name": "sources", "configMap": {"name": SOURCES}}
    return server(
        name,
        group=group,
        image=BACKENDS.name,
        args=[str(PORT), "--host", "0.0.0.0", "--eras", eras],
        podTemplateSpec={"spec": {"containers": [container], "volumes": [volume]}},
    )

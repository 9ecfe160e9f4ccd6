"""Names and addresses inside the cluster; none is reachable from, or reaches, the machine's own network."""

NODE_NAME = "node-1"
NODE_ADDRESS = "10.203.0.2"
NODE_PREFIX = 24
POD_RANGE = "10.204.0.0/24"
POD_GATEWAY = "10.204.0.1"
SERVICE_RANGE = "10.205.0.0/16"
API_SERVICE_ADDRESS = "10.205.0.1"
DOMAIN = "cluster.local"
PAUSE_IMAGE = "localhost/pause:1"

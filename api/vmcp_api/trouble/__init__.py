"""Why pods do not run or are not ready yet, in the words of its source: scheduler, kubelet, container."""

from vmcp_api.trouble.said import Trouble, moment

__all__ = ["Trouble", "moment"]

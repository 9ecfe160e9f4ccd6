"""What the server says itself, without the application, before it closes a connection."""

from typing import Final

_LAST: Final = b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large" + _LAST
TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout" + _LAST
TOO_MANY: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5" + _LAST
BAD: Final = b"HTTP/1.1 400 Bad Request" + _LAST
NO_VERSION: Final = b"HTTP/1.1 505 HTTP Version Not Supported" + _LAST
NO_CODING: Final = b"HTTP/1.1 501 Not Implemented" + _LAST

"""The parts of a token as bytes (RFC 7515 section 2)."""

import base64
import binascii


def decode(part: bytes) -> bytes | None:
    """What a part stands for, with or without padding; None where it is no base64url."""
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None

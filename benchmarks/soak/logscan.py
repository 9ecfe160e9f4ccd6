"""What must never stand in what the proxy writes: tracebacks, errors, canaries."""

from pathlib import Path

_SIGNS = (b"Traceback", b"never retrieved", b"never awaited", b'"level":"error"', b'"level": "error"')
_LONGEST = 300


class LogScan:
    """Reads on in a file from where it stopped."""

    def __init__(self, file: Path, marker: str, *, signs: bool = True) -> None:
        self._file = file
        self._marker = f"cnry{marker}".encode()
        self._signs = _SIGNS if signs else ()
        self._offset = 0

    def findings(self) -> list[str]:
        """What is new and wrong; lines with a canary are not quoted."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole, _, _ = text.rpartition(b"\n")
        self._offset += len(whole)
        found = []
        for line in whole.splitlines():
            if self._marker in line:
                found.append(f"a canary stands in {self._file.name}")
            elif any(sign in line for sign in self._signs):
                found.append(f"{self._file.name}: {line[:_LONGEST].decode(errors='replace')}")
        return found

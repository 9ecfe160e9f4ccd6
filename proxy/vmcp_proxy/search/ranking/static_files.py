"""Finds the static table: two files in the package `wordllama`, whose code is not loaded (ADR-0066)."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from vmcp_proxy.search.ranking.word_pieces import WordPieces

if TYPE_CHECKING:
    from vmcp_proxy.search.ranking.static_table import StaticTable

PACKAGE: Final = "wordllama"
TABLE_FILE: Final = Path("weights", "l2_supercat_256.safetensors")
TOKENIZER_FILE: Final = Path("tokenizers", "l2_supercat_tokenizer_config.json")
NOT_INSTALLED: Final = "the extra is not installed; install vmcp-gateway[search]"

_MAX_HEAD: Final = 1 << 20
_LENGTH_BYTES: Final = 8
_MAX_ROWS: Final = 1 << 16
"""Documents keep numbers of rows in two bytes."""


class Unavailable(msgspec.Struct, frozen=True):
    """There is no table; `reason` says why and what to do."""

    reason: str


class _Tensor(msgspec.Struct):
    dtype: str
    shape: tuple[int, int]


class _Head(msgspec.Struct):
    embedding: _Tensor = msgspec.field(name="embedding.weight")


class _Model(msgspec.Struct):
    vocab: dict[str, int]


class _Tokenizer(msgspec.Struct):
    model: _Model


def load_static_table() -> "StaticTable | Unavailable":
    """The installed table; takes about 0.2 s, half of it for loading numpy, so that it belongs into a thread."""
    if find_spec("numpy") is None or (folder := _package_folder()) is None:
        return Unavailable(NOT_INSTALLED)
    return read_static_table(folder)


def read_static_table(folder: Path) -> "StaticTable | Unavailable":
    """The table of a folder that is laid out as the package is."""
    # Numpy is loaded for this alone: an installation without the extra has none.
    from vmcp_proxy.search.ranking.static_table import StaticTable, quantised  # noqa: PLC0415

    try:
        vocabulary = msgspec.json.decode((folder / TOKENIZER_FILE).read_bytes(), type=_Tokenizer).model.vocab
        with (folder / TABLE_FILE).open("rb") as file:
            rows, dimensions = _read_shape(file, vocabulary)
            return StaticTable(WordPieces(vocabulary), *quantised(file, rows, dimensions))
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        return Unavailable(
            f"the files of the package {PACKAGE} cannot be read ({error}); install vmcp-gateway[search] again"
        )


def _read_shape(file: BinaryIO, vocabulary: Mapping[str, int]) -> tuple[int, int]:
    length = min(int.from_bytes(file.read(_LENGTH_BYTES), "little"), _MAX_HEAD)
    tensor = msgspec.json.decode(file.read(length), type=_Head).embedding
    rows = tensor.shape[0]
    if tensor.dtype != "F16" or rows > _MAX_ROWS or max(vocabulary.values(), default=rows) >= rows:
        raise ValueError(f"the table has {rows} rows of {tensor.dtype} for {len(vocabulary)} pieces")
    return tensor.shape


def _package_folder() -> Path | None:
    spec = find_spec(PACKAGE)
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(locations[0]) if locations else None

"""Columns of arrow tables as numpy arrays, and back, by their buffers.

pyarrow's own ways load pandas (0.3 s) or its table of functions (0.06 s), which a daily question
need not wait for. Buffers only; what a column means is for the caller to know.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from atlas_daemon.bars.frame import Floats


def numbers(column: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a column without nulls as numpy reads its buffer."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(array):
        return np.zeros(0, dtype=dtype)
    values = np.frombuffer(array.buffers()[1], dtype=dtype)
    return values[array.offset : array.offset + len(array)]


def figures(column: Any) -> npt.NDArray[Any]:
    """Return a number column in its own width; as double floats with NaN where some are empty.

    Raises `pa.ArrowInvalid` where a text or the like is no number.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not _is_number(array.type):
        array = array.cast(pa.float64())
    values = numbers(array, np.dtype(array.type.to_pandas_dtype()))
    if not array.null_count:
        return values
    bits = np.frombuffer(array.buffers()[0], dtype=np.uint8)
    is_there = np.unpackbits(bits, count=array.offset + len(array), bitorder="little")
    return np.where(is_there[array.offset :].astype(np.bool_), values, np.nan)


def _is_number(kind: Any) -> bool:
    return any((pa.types.is_float32(kind), pa.types.is_float64(kind), pa.types.is_integer(kind)))


def floats(column: Any) -> Floats:
    """Return a number column as floats, NaN where empty."""
    return figures(column).astype(np.float64, copy=False)


def symbols_of(column: Any) -> tuple[Any, npt.NDArray[np.int64]]:
    """Return the column `symbol` as an arrow array of texts, and each row's index into them.

    Raises `pa.ArrowInvalid` where a row is empty.
    """
    encoded = column
    if not pa.types.is_dictionary(column.type):
        encoded = column.cast(pa.string()).dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # of no rows at all
        return pa.nulls(0, pa.string()), np.zeros(0, dtype=np.int64)
    if encoded.null_count:
        raise pa.ArrowInvalid("symbol is empty in a row")
    return encoded.dictionary, figures(encoded.indices).astype(np.int64, copy=False)


def column_of(values: npt.NDArray[Any], kind: Any) -> Any:
    """Return numbers as an arrow array of `kind`, whose width is that of the numbers."""
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [None, buffer])


def symbol_column(names: tuple[str, ...], codes: npt.NDArray[np.int64]) -> Any:
    """Return the column of which `symbols_of` makes `names` and `codes`."""
    texts = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    dictionary = pa.Array.from_buffers(pa.string(), len(texts), buffers)
    indices = column_of(codes.astype(np.int32), pa.int32())
    return pa.DictionaryArray.from_arrays(indices, dictionary)

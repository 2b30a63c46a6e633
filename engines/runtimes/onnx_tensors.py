"""The inputs and outputs that an ONNX file declares, read without any package for ONNX, in milliseconds.

ONNX is a protocol buffer: fields of a number and a kind, one after the other. Only the fields on the way to the
inputs and outputs of the graph are opened, all others are stepped over. Numbers of fields are those of `onnx.proto`.
"""

from collections.abc import Iterator

from livecassi.engines.errors import NetworkFileError
from livecassi.engines.runtimes.contract import TensorSpec

_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
_VARINT, _EIGHT_BYTES, _BLOCK, _FOUR_BYTES = 0, 1, 2, 5


def declared_tensors(content: bytes, title: str) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and the outputs of the network in the bytes of an ONNX file; `title` names it in errors.

    Raises `NetworkFileError`: no ONNX, cut off, sizes that are not fixed, types that NumPy does not have.
    """
    try:
        graph = _block(memoryview(content), 7)
        inputs = tuple(_tensor(block, title) for block in _blocks(graph, 11))
        outputs = tuple(_tensor(block, title) for block in _blocks(graph, 12))
    except (IndexError, ValueError) as error:
        raise NetworkFileError(f"{title} is no ONNX file, or damaged ({error}); export the network again") from error
    if not inputs or not outputs:
        raise NetworkFileError(f"{title} declares no inputs or no outputs; export the network again")
    return inputs, outputs


def metadata_entries(content: bytes, title: str) -> dict[str, str]:
    """The texts by key that the maker of an ONNX file left in it; `title` names it in errors.

    Raises `NetworkFileError`: no ONNX, or cut off.
    """
    try:
        _block(memoryview(content), 7)
        entries = [(_block(entry, 1), next(_blocks(entry, 2), b"")) for entry in _blocks(memoryview(content), 14)]
        return {bytes(key).decode(): bytes(value).decode() for key, value in entries}
    except (IndexError, ValueError) as error:
        raise NetworkFileError(f"{title} is no ONNX file, or damaged ({error}); export the network again") from error


def _tensor(value_info: memoryview, title: str) -> TensorSpec:
    name = bytes(_block(value_info, 1)).decode()
    tensor_type = _block(_block(value_info, 2), 1)
    code = next(_numbers(tensor_type, 1), 0)
    if code not in _DTYPES:
        raise NetworkFileError(f"'{name}' of {title} has the ONNX type {code}, which NumPy does not have")
    sizes = [next(_numbers(dimension, 1), 0) for dimension in _blocks(_block(tensor_type, 2), 1)]
    if not all(sizes):
        raise NetworkFileError(f"'{name}' of {title} has no fixed shape; export the network for one size")
    return TensorSpec(name, tuple(sizes), _DTYPES[code])


def _block(message: memoryview, number: int) -> memoryview:
    found = next(_blocks(message, number), None)
    if found is None:
        raise ValueError(f"field {number} is missing")
    return found


def _blocks(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for field, value in _fields(message) if field == number and isinstance(value, memoryview))


def _numbers(message: memoryview, number: int) -> Iterator[int]:
    return (value for field, value in _fields(message) if field == number and isinstance(value, int))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of every field, in order. Raises ValueError or IndexError where the bytes make no sense."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield tag >> 3, value
            continue
        if kind == _BLOCK:
            length, place = _varint(message, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"byte {place} begins no field")
        if place + length > len(message):
            raise ValueError("it is cut off")
        yield tag >> 3, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number in seven bits a byte, and the place behind it."""
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
        if shift > 63:
            raise ValueError(f"byte {place} begins no number")

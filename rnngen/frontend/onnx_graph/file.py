"""From an ONNX file to a checked ModelProto, and from its TensorProtos to arrays.

Numbers become float64, int64 or bool, all exactly.  Data outside the file is read only from the file's own
folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnngen.errors import ModelError, ToolError

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]
"""float64, int64 or bool."""

FILE_BYTES = 2**31
"""A protobuf file is below 2 GiB; the data beside it gets the same limit."""

OPSETS = range(7, 27)
"""Versions of ONNX's own operators that are read: before 7 arithmetic broadcasts by other rules."""


def _onnx(title: str) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ToolError(
            f"Reading {title} needs the package onnx, which is not installed; run 'python -m pip install onnx'."
        ) from error
    return onnx


def _limit(title: str, path: Path) -> None:
    size = path.stat().st_size
    if size >= FILE_BYTES:
        raise ModelError(
            f"{title}: file '{path.name}' must be below 2 GiB, not {size} bytes; export the recurrent part alone."
        )


def load_file(path: Path) -> onnx.ModelProto:
    """The model of a file, checked by ``check_model``.

    Raises:
        ModelError: if the file cannot be read, is no ONNX model, is too large, or breaks ONNX's rules.
        ToolError: if the package onnx is not installed.
    """
    title = f"Model '{path.name}'"
    package = _onnx(title)
    from google.protobuf.message import DecodeError

    try:
        _limit(title, path)
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{title} cannot be read ({error.strerror or error}); check the file and its permissions."
        ) from error
    try:
        model: onnx.ModelProto = package.load_model_from_string(data)
    except DecodeError as error:
        raise ModelError(
            f"{title} is not a valid ONNX file (not a protobuf message); copy it again or export it again."
        ) from error
    return model


def check_model(model: onnx.ModelProto, title: str) -> onnx.ModelProto:
    """The model with its local functions expanded, after ``onnx.checker`` and the version rules.

    Raises:
        ModelError: if it breaks ONNX's rules, or its operator version is not in ``OPSETS``.
    """
    package = _onnx(title)
    if not model.graph.node:
        raise ModelError(f"{title} is not a valid ONNX file (its graph is empty); copy it again or export it again.")
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        found = ", ".join(str(version) for version in versions) or "none"
        raise ModelError(
            f"{title} must use one operator version (opset) from {OPSETS[0]} to {OPSETS[-1]}, not {found}; "
            f"export it again with opset_version={OPSETS[-1] - 9}."
        )
    try:
        package.checker.check_model(_without_data(model))
    except (package.checker.ValidationError, UnicodeDecodeError) as error:
        # The checker's own message may be lost where a name in it is not UTF-8.
        text = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{title} breaks ONNX's rules ({text[:200]}); export it again.") from error
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    return model


def _without_data(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself, or where data lies in other files a copy whose checker need not find them."""
    if not any(is_external(tensor) for tensor in tensors_of(model.graph)):
        return model
    copy = type(model)()
    copy.CopyFrom(model)
    for tensor in tensors_of(copy.graph):
        if is_external(tensor):
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            del tensor.dims[:]
            tensor.dims.append(0)
    return copy


def tensors_of(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """All tensors stored in a graph and the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from tensors_of(attribute.g)


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the tensor's data lies in another file."""
    return bool(tensor.data_location == tensor.EXTERNAL)


def to_array(tensor: onnx.TensorProto, title: str, folder: Path | None) -> Array:
    """The values of a tensor, exactly, as float64, int64 or bool.

    Args:
        tensor: Of the model ``title``.
        folder: Where data outside the model's file may lie; None: nowhere.

    Raises:
        ModelError: if the type has no such numbers, or the data is missing, outside the folder, or of another size.
    """
    from onnx import numpy_helper

    if is_external(tensor):
        tensor = _with_data(tensor, title, folder)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{title}: tensor '{tensor.name}' is damaged ({error}); copy the file again or export it again."
        ) from error
    return convert(array, f"{title}: tensor '{tensor.name}'")


def convert(array: Array, label: str) -> Array:
    """Any array as float64, int64 or bool, exactly.

    Raises:
        ModelError: naming ``label``, for text, complex numbers and integers above 2**63 - 1.
    """
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind == "i" or (kind == "u" and (array.size == 0 or int(array.max()) < 2**63)):
        return array.astype(np.int64)
    if array.dtype.name in ("float16", "float32", "float64", "bfloat16"):
        return array.astype(np.float64)
    raise ModelError(f"{label} must hold floats, integers or truth values, not {array.dtype.name}.")


def _with_data(tensor: onnx.TensorProto, title: str, folder: Path | None) -> onnx.TensorProto:
    """A copy of the tensor with the data that its entry names."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    label = f"{title}: tensor '{tensor.name}'"
    if folder is None:
        raise ModelError(f"{label} has its data in another file ('{location}'); give the model as a file beside it.")
    root = folder.resolve()
    place = (root / location).resolve()
    if not location or Path(location).is_absolute() or root not in place.parents:
        raise ModelError(
            f"{label} has its data in '{location}', outside the model's folder; only files inside it are read."
        )
    try:
        _limit(title, place)
        offset = int(entries.get("offset", "0"))
        available = place.stat().st_size - offset
        length = int(entries.get("length", available))
        if offset < 0 or not 0 <= length <= available:
            raise ModelError(
                f"{label} names {length} bytes from byte {offset} of '{location}', which has "
                f"{place.stat().st_size}; copy both files again."
            )
        with place.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{label} has its data in '{location}', which cannot be read ({reason}).") from error
    copy = type(tensor)()
    copy.CopyFrom(tensor)
    copy.ClearField("external_data")
    copy.data_location = copy.DEFAULT
    copy.raw_data = data
    return copy

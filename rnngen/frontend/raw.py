"""State dicts as they lie in files: every tensor's bytes, read from one and written to a safetensors file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.options import ImportOptions
from rnngen.frontend.safetensors_file import TYPE_NAMES
from rnngen.frontend.source import TENSORS, open_model
from rnngen.frontend.tensors import Checkpoint
from rnngen.ir.sparse import BoolArray

CODES = {name: code for code, name in TYPE_NAMES.items()}
"""How the format spells each type that it has."""

_HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True)
class Raw:
    """A tensor as a safetensors file holds it: code of its type, shape, little-endian bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def open_tensors(path: Path, purpose: str) -> Checkpoint:
    """The tensors of a state dict: ``.safetensors``, ``.pt`` or ``.pth``.

    Args:
        path: The file.
        purpose: What it must be a state dict for, for the message.

    Raises:
        ModelError: if it cannot be read or is no state dict.
        ToolError: if reading it needs PyTorch and that is not installed.
    """
    checkpoint = open_model(path, ImportOptions()).checkpoint
    if checkpoint is None:
        raise ModelError(
            f"Model file '{path.name}' must be a state dict ({', '.join(TENSORS)}) {purpose}, not a "
            f"{path.suffix} file; save the parameters with safetensors or with torch.save(model.state_dict(), path)."
        )
    return checkpoint


def read_raw(
    path: Path, checkpoint: Checkpoint, without: Set[str] = frozenset()
) -> tuple[Mapping[str, str], dict[str, Raw]]:
    """The metadata and all tensors of a state dict but those named.

    Raises:
        ModelError: if a tensor is of a type that the format does not have.
    """
    if checkpoint.kind == "safetensors":
        return _read_safetensors(path, without)
    return _read_torch(path, checkpoint, without)


def _read_safetensors(path: Path, without: Set[str]) -> tuple[Mapping[str, str], dict[str, Raw]]:
    content = path.read_bytes()
    length = int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
    header = json.loads(content[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
    data = content[_HEADER_LENGTH_BYTES + length :]
    metadata = header.pop("__metadata__", None) or {}
    return metadata, {
        name: Raw(entry["dtype"], tuple(entry["shape"]), data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name not in without
    }


def _read_torch(path: Path, checkpoint: Checkpoint, without: Set[str]) -> tuple[Mapping[str, str], dict[str, Raw]]:
    import torch

    kept = [tensor for name, tensor in checkpoint.tensors.items() if name not in without]
    for tensor in kept:
        if tensor.dtype not in CODES:
            raise ModelError(
                f"Parameter '{tensor.name}' has the type {tensor.dtype}, which is not one of {', '.join(CODES)}, "
                f"so it cannot be copied; remove it from the state dict."
            )
    state = torch.load(path, map_location="cpu", weights_only=True)
    raw = {}
    for tensor in kept:
        values = state[tensor.name].detach().contiguous().reshape(-1).view(torch.uint8)
        raw[tensor.name] = Raw(CODES[tensor.dtype], tensor.shape, values.numpy().tobytes())
    return {"format": "pt"}, raw


def masked(tensor: Raw, mask: BoolArray) -> Raw:
    """A tensor with zeros where the mask is false, and else the same bytes."""
    data = np.frombuffer(tensor.data, dtype=np.uint8).reshape(mask.size, -1).copy()
    data[~mask.ravel()] = 0  # +0 in every floating-point type
    return Raw(tensor.dtype, tensor.shape, data.tobytes())


def encode(metadata: Mapping[str, str], tensors: Mapping[str, Raw]) -> bytes:
    """A safetensors file; the same tensors give the same bytes.  The widest types stand first: all are aligned."""

    def order(item: tuple[str, Raw]) -> tuple[float, str]:
        return -len(item[1].data) / max(1, math.prod(item[1].shape)), item[0]

    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    ordered = sorted(tensors.items(), key=order)
    for name, tensor in ordered:
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _HEADER_LENGTH_BYTES)
    return b"".join([len(text).to_bytes(_HEADER_LENGTH_BYTES, "little"), text, *(tensor.data for _, tensor in ordered)])

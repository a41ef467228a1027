"""From a trained state dict to a bank-balanced sparse one: a new state dict, its masks, and what is lost and saved."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rnngen.emit.folder import write_atomically
from rnngen.errors import ModelError
from rnngen.flow.state_dict import check_output
from rnngen.frontend.matrices import weight_matrices
from rnngen.frontend.options import ImportOptions
from rnngen.frontend.raw import encode, masked, open_tensors, read_raw
from rnngen.frontend.source import Model, open_model
from rnngen.frontend.tensors import Checkpoint
from rnngen.ir.sparse import BankedMask
from rnngen.passes.prune_layers import FitOptions, PrunedMatrix, PruneOptions, fit_matrices, prune_matrices

WEIGHT_BITS = range(2, 19)

_COUNTS = {"weight_ih": "k_x", "weight_hh": "k_h", "weight_hr": "k_r", "weight": "k"}
"""How the non-zeros a bank of each matrix are called."""


@dataclass(frozen=True, eq=False)
class PrunedLayer:
    """The figures of a layer.

    Attributes:
        name: For instance ``lstm.l0``.
        parts: Its matrices: of x, of h, of a projection; or a Linear layer's one.
        weight_bits: Bits of a value, for the sizes of memories.
    """

    name: str
    parts: tuple[PrunedMatrix, ...]
    weight_bits: int

    @property
    def kept(self) -> dict[str, int | None]:
        """Non-zeros a bank: ``k_x``, ``k_h``, ``k_r`` (projection) or ``k`` (Linear); None of a dense matrix."""
        return {_COUNTS[part.matrix.role]: part.mask.kept if part.mask else None for part in self.parts}

    @property
    def index_bits(self) -> dict[str, int]:
        """Bits of a local index, by the same names; 0 of a dense matrix."""
        return {_COUNTS[part.matrix.role]: part.mask.index_bits if part.mask else 0 for part in self.parts}

    @property
    def weights(self) -> int:
        """Weights before."""
        return sum(int(part.matrix.weights.size) for part in self.parts)

    @property
    def nonzeros(self) -> int:
        """Weights that are kept."""
        return sum(part.stored for part in self.parts)

    @property
    def energy_kept(self) -> float:
        """Share of the sum of squared weights in those that are kept; 1 for weights of zeros."""
        kept, whole = (sum(part.energy[side] for part in self.parts) for side in (0, 1))
        return kept / whole if whole else 1.0

    @property
    def memory_bits(self) -> int:
        """Bits of the values and the indices."""
        return self.nonzeros * self.weight_bits + sum(part.index_memory_bits for part in self.parts)

    @property
    def dense_memory_bits(self) -> int:
        """Bits of the weights before."""
        return self.weights * self.weight_bits

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "name": self.name,
            **self.kept,
            "index_bits": self.index_bits,
            "weights": self.weights,
            "nonzeros": self.nonzeros,
            "energy_kept": self.energy_kept,
            "memory_bits": self.memory_bits,
            "dense_memory_bits": self.dense_memory_bits,
        }


@dataclass(frozen=True, eq=False)
class PruneReport:
    """What was made of a model, or recognised in it.

    Attributes:
        output: The new state dict; None if nothing was written.
        matrices: Each with its mask, or without one where it is left dense.
        weight_bits: Bits of a value, for the sizes of memories.
    """

    output: Path | None
    matrices: tuple[PrunedMatrix, ...]
    weight_bits: int

    @property
    def masks(self) -> dict[str, BankedMask]:
        """The masks by the names of the parameters."""
        return {part.matrix.name: part.mask for part in self.matrices if part.mask is not None}

    @property
    def banks(self) -> int:
        """B, of all matrices."""
        return next(iter(self.masks.values())).banks

    @property
    def shared_rows(self) -> int:
        """N: neighbouring rows with one index set."""
        return next(iter(self.masks.values())).shared_rows

    @property
    def layers(self) -> tuple[PrunedLayer, ...]:
        """The figures layer by layer."""
        groups = groupby(self.matrices, key=lambda part: part.matrix.layer)
        return tuple(PrunedLayer(name, tuple(parts), self.weight_bits) for name, parts in groups)

    @property
    def whole(self) -> PrunedLayer:
        """The figures of all layers together."""
        return PrunedLayer("all", self.matrices, self.weight_bits)

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known: weights that are kept and yet 0."""
        return tuple(
            f"Parameter '{part.matrix.name}' keeps {part.zeros} weights that are 0, as its banks have no others; a "
            f"state dict with it is recognised as these banks only if it is padded."
            for part in self.matrices
            if part.zeros
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "output": None if self.output is None else str(self.output),
            "banks": self.banks,
            "shared_rows": self.shared_rows,
            "weight_bits": self.weight_bits,
            "layers": [layer.to_dict() for layer in self.layers],
            "notes": list(self.notes),
        }


def _check_bits(weight_bits: int) -> None:
    if weight_bits not in WEIGHT_BITS:
        raise ModelError(f"Weight bits must be within {WEIGHT_BITS[0]}..{WEIGHT_BITS[-1]}, not {weight_bits}.")


def _prune(checkpoint: Checkpoint, options: PruneOptions, select: str | None) -> tuple[PrunedMatrix, ...]:
    matrices, others = weight_matrices(checkpoint, select, options.linear)
    return prune_matrices(matrices, options, others)


def prune(
    model: Path | str, output: Path | str, options: PruneOptions, select: str | None = None, weight_bits: int = 8
) -> PruneReport:
    """Writes a state dict in which all but the largest weights of each bank are 0; all else is copied bit for bit.

    Args:
        model: A state dict: ``.safetensors``, ``.pt`` or ``.pth``.
        output: The file to write, ``.safetensors``; one that is there is replaced, but not the model itself.
        options: Banks, ratios, and what is left dense.
        select: One of several recurrent modules; None: all of them.
        weight_bits: Bits of a value, for the sizes of memories in the report alone.

    Raises:
        ModelError: if the model or an option is not what it should be.
        DesignError: if the file cannot be written.
        ToolError: if reading the model needs PyTorch and that is not installed.
    """
    model, output = Path(model), Path(output)
    check_output(model, output)
    _check_bits(weight_bits)
    checkpoint = open_tensors(model, "to be pruned")
    report = PruneReport(output, _prune(checkpoint, options, select), weight_bits)
    metadata, tensors = read_raw(model, checkpoint)
    new = {name: masked(tensors[name], mask.mask) for name, mask in report.masks.items()}
    write_atomically(output, encode(metadata, tensors | new))
    return report


def _tensors(model: Model) -> Checkpoint:
    source = open_model(model, ImportOptions())
    if source.checkpoint is None:
        raise ModelError(
            f"Model '{source.name}' must be a state dict or a live module to be pruned, not of the kind {source.kind}."
        )
    return source.checkpoint


def prune_masks(model: Model, options: PruneOptions, select: str | None = None) -> dict[str, BankedMask]:
    """The masks of a state dict or live module by the names of its parameters; nothing is changed.

    Args:
        model: A state dict, or a torch.nn.Module.
        options: As of ``prune``.
        select: As of ``prune``.

    Raises:
        ModelError, ToolError: as ``prune``.
    """
    return PruneReport(None, _prune(_tensors(model), options, select), WEIGHT_BITS[0]).masks


def fit(
    model: Model, options: FitOptions | None = None, select: str | None = None, weight_bits: int = 8
) -> PruneReport:
    """Recognises the banks of a model that is sparse already; nothing is written.

    Args:
        model: A state dict, or a torch.nn.Module.
        options: Banks if they are known, what is dense, and whether zeros may be added.
        select: As of ``prune``.
        weight_bits: As of ``prune``.

    Raises:
        ModelError: if the model does not fit; the sentence has the parameter, its rows and banks at fault.
        ToolError: if reading the model needs PyTorch and that is not installed.
    """
    _check_bits(weight_bits)
    options = options or FitOptions()
    matrices, others = weight_matrices(_tensors(model), select, options.linear)
    return PruneReport(None, fit_matrices(matrices, options, others), weight_bits)

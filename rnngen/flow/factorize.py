"""From a trained dense LSTM to an F-LSTM: a new state dict, and what it loses and saves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.emit.folder import write_atomically
from rnngen.flow.state_dict import check_output
from rnngen.frontend.exchange import exchange, read_dense, rounded
from rnngen.passes.factorise import FactorReport, compare, factorise


@dataclass(frozen=True)
class FactorizeReport:
    """What was written.

    Attributes:
        output: The new state dict.
        dtype: Type of the new parameters.
        layers: Name of each new layer and its figures, those of the values as they are written.
    """

    output: Path
    dtype: str
    layers: tuple[tuple[str, FactorReport], ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "output": str(self.output),
            "dtype": self.dtype,
            "layers": [
                {
                    "name": name,
                    "rank": report.rank,
                    "largest_rank": report.largest_rank,
                    "relative_error": report.relative_error,
                    "energy_kept": report.energy_kept,
                    "macs_before": report.macs_before,
                    "macs_after": report.macs_after,
                    "warning": report.warning,
                }
                for name, report in self.layers
            ],
        }


def factorize(model: Path | str, rank: int, output: Path | str, select: str | None = None) -> FactorizeReport:
    """Writes a state dict in which one LSTM stands as FactorisedLSTM modules of ``rnngen.nn``, one for each layer.

    A layer at prefix ``lstm`` stays there; of several the first is at ``lstm.0``, the next at ``lstm.1`` and so on.
    All other parameters are copied bit for bit.

    Args:
        model: A state dict: ``.safetensors``, ``.pt`` or ``.pth``.
        rank: Of every layer, 1 .. min(4 * H, I + H).
        output: The file to write, ``.safetensors``; one that is there is replaced, but not the model itself.
        select: Prefix of the LSTM; needed only if there are several recurrent layers.

    Raises:
        ModelError: if the model or the rank is not what it should be.
        DesignError: if the file cannot be written.
        ToolError: if reading the model needs PyTorch and that is not installed.
    """
    model, output = Path(model), Path(output)
    check_output(model, output)
    stack = read_dense(model, select)
    made = [rounded(stack, factorise(layer, rank)[0]) for layer in stack.layers]
    reports = [compare(layer, factorised) for layer, factorised in zip(stack.layers, made)]
    write_atomically(output, exchange(stack, made))
    names = [prefix or "." for prefix in stack.prefixes]
    return FactorizeReport(output, stack.dtype, tuple(zip(names, reports)))

"""The float network as the judge of everything that follows: PyTorch in float64, or NumPy without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from rnngen.ir.inputs import check_array
from rnngen.ir.network import FloatArray, Layer, LinearLayer, Network, RecurrentLayer, parameters
from rnngen.ir.reference import run_layers


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """Outputs of the float64 network.

    Attributes:
        judge: What computed them, for instance ``torch 2.13.0 float64`` or ``numpy float64``.
        layers: Output of every layer, each (sequences, steps, output size).
    """

    judge: str
    layers: list[FloatArray]

    @property
    def output(self) -> FloatArray:
        """Output of the last layer, (sequences, steps, output size)."""
        return self.layers[-1]


def _run_torch(network: Network, x: FloatArray) -> list[FloatArray]:
    import torch

    def run(layer: Layer, values: torch.Tensor) -> torch.Tensor:
        module: torch.nn.Module
        if isinstance(layer, LinearLayer):
            module, suffix = torch.nn.Linear(layer.input_size, layer.output_size), ""
        else:
            assert isinstance(layer, RecurrentLayer)
            module, suffix = torch.nn.LSTM(layer.input_size, layer.hidden_size, batch_first=True), "_l0"
        state = {f"{name}{suffix}": torch.from_numpy(array.copy()) for name, array in parameters(layer).items()}
        module.double().load_state_dict(state)
        result = module(values)
        output: torch.Tensor = result if isinstance(layer, LinearLayer) else result[0]  # nn.LSTM: (output, (h, c))
        return output

    outputs: list[FloatArray] = []
    values = torch.from_numpy(x.copy())
    with torch.no_grad():
        for layer in network.layers:
            values = run(layer, values)
            outputs.append(values.numpy())
    return outputs


def run_reference(network: Network, x: npt.ArrayLike) -> ReferenceRun:
    """Run the float64 network from zero state, each sequence on its own.

    Args:
        network: The network.
        x: (sequences, steps, features), real values.

    Returns:
        The outputs of PyTorch's own nn.LSTM and nn.Linear in float64; without PyTorch those of NumPy.

    Raises:
        DataError: if x has another shape, is empty, or is not finite.
    """
    values = check_array(x, network.input_size, "Input")
    try:
        import torch
    except ImportError:
        return ReferenceRun("numpy float64", run_layers(network, values))
    return ReferenceRun(f"torch {torch.__version__.partition('+')[0]} float64", _run_torch(network, values))

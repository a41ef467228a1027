"""Reading QuantLSTM and QuantRNN of the package brevitas: integer weights and their scales, as the module holds them.

What is exact: every weight that the module multiplies with is ``integer * scale``; its integers are taken as they
are, and the float layers hold these products, exactly, in float64.  The circuit has binary points, so a scale must be
a power of two.  Where gates or rows (a scale per channel) have different powers of two, all integers of a tensor are
brought to the finest scale of it by left shifts, which is exact too and costs as many bits as the scales lie apart;
more than 18 bits are refused, and so is a scale that is no power of two, with the quantiser to use instead.

What is not taken over: the module's own quantisers of activations.  The accelerator rounds at its own points, in
formats found by calibration; the module's are reported in ``QuantisedLayer.activations`` for who wants to set them.

brevitas itself is not imported: a live module brings it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.ir.layers import FloatArray, ParallelLayer, RecurrentLayer
from rnngen.ir.trained import QuantisedWeights, TrainedLayer

if TYPE_CHECKING:
    import torch

IntArray: TypeAlias = npt.NDArray[np.int64]

WEIGHT_BITS = 18
"""Most bits of a weight in the circuit."""

_LSTM_GATES = ("input_gate_params", "forget_gate_params", "cell_gate_params", "output_gate_params")
_ADVICE = (
    "train with a power-of-two quantiser, for instance brevitas.quant.fixed_point.Int8WeightPerTensorFixedPoint "
    "(restrict_scaling_type = RestrictValueType.POWER_OF_TWO)"
)


@dataclass(frozen=True)
class QuantisedActivation:
    """Format of one of the module's quantisers of activations; the scale may be any."""

    scale: float
    bits: int
    signed: bool


@dataclass(frozen=True, eq=False)
class QuantisedLayer(TrainedLayer):
    """The integers of one direction of one layer, bias at the scale of the products.

    Attributes:
        activations: The module's other quantisers by their names in its cell (``output_quant`` is that of h).
    """

    activations: Mapping[str, QuantisedActivation]


@dataclass(frozen=True, eq=False)
class QuantisedChain:
    """What ``read_brevitas`` gives.

    Attributes:
        chain: The float layers, whose weights are the dequantised integers, with these in ``trained``.
        layers: The integers, by the name of each ``RecurrentLayer`` (branches of a parallel layer each by its own).
    """

    chain: Chain
    layers: Mapping[str, QuantisedLayer]


def is_brevitas(module: object) -> bool:
    """Whether a module is a QuantLSTM or QuantRNN of brevitas, or a subclass of one; imports nothing."""
    return _kind(module) is not None


def _kind(module: object) -> Any:
    """The class of Brevitas that it is, or is derived from; None: no recurrent one."""
    for base in type(module).__mro__:
        if base.__module__ == "brevitas.nn.quant_rnn" and base.__name__ in ("QuantLSTM", "QuantRNN"):
            return base
    return None


def brevitas_parts(module: torch.nn.Module) -> list[str]:
    """Paths of the QuantLSTMs and QuantRNNs inside a module."""
    return [path for path, child in module.named_modules() if path and is_brevitas(child)]


def read_brevitas(module: torch.nn.Module, name: str = "") -> QuantisedChain:
    """The layers of a QuantLSTM or QuantRNN, and the integers that they were trained as.

    Args:
        module: The module itself, in evaluation mode.
        name: Where it sits in its model; names of layers are ``name.l0``, ``name.l1`` ...

    Raises:
        ModelError: if it is another module, in training mode, not quantised, or quantised in a way that the circuit
            cannot hold exactly.
    """
    kind = _kind(module)
    title = f"Module {name or type(module).__name__}"
    if kind is None:
        raise ModelError(f"{title} must be a QuantLSTM or QuantRNN of brevitas, not a {type(module).__name__}.")
    if type(module).forward is not kind.forward:
        raise ModelError(
            f"{title} is a {type(module).__name__} with a forward of its own; use {kind.__name__} itself."
        )
    if module.training:
        raise ModelError(f"{title} is in training mode, in which its scales still move; call its eval() first.")
    layers: list[RecurrentLayer | ParallelLayer] = []
    integers: dict[str, QuantisedLayer] = {}
    stack: Any = module
    for number, directions in enumerate(stack.layers):
        here = f"{name}.l{number}" if name else f"l{number}"
        branches = []
        for reverse, direction in enumerate(directions):
            label = f"{here}_reverse" if reverse else here
            layer, quantised = _read_direction(label, direction, reverse=bool(reverse))
            branches.append(layer)
            integers[label] = quantised
        layers.append(branches[0] if len(branches) == 1 else ParallelLayer(here, tuple(branches)))
    notes: tuple[str, ...] = ()
    if any(layer.activations for layer in integers.values()):
        notes = (f"{title}'s quantisers of activations are not taken over: formats are found by calibration.",)
    stem = (name or kind.__name__).lower()
    chain = Chain(title, stem, f"brevitas.nn.{kind.__name__}", "module", tuple(layers), notes=notes, trained=integers)
    return QuantisedChain(chain, integers)


def _read_direction(name: str, direction: Any, reverse: bool) -> tuple[RecurrentLayer, QuantisedLayer]:
    """One direction of one layer: ``_QuantLSTMLayer`` or ``_QuantRNNLayer``."""
    if getattr(direction, "cifg", False):
        raise ModelError(
            f"Layer '{name}' has coupled input and forget gates, which is not supported; "
            f"train it with coupled_input_forget_gates=False."
        )
    if hasattr(direction, "gate_params"):
        cell = f"rnn_{type(direction.cell.act_fn).__name__.lower()}"
        gates = [direction.gate_params]
    else:
        cell, gates = "lstm", [getattr(direction, gate) for gate in _LSTM_GATES]
    weight_ih = _weights(f"weight_ih of layer '{name}'", [gate.input_weight() for gate in gates])
    weight_hh = _weights(f"weight_hh of layer '{name}'", [gate.hidden_weight() for gate in gates])
    bias = _bias(name, direction, gates)
    values = bias.values if isinstance(bias, QuantisedWeights) else bias
    quantised = bias if isinstance(bias, QuantisedWeights) else None
    layer = RecurrentLayer(
        name, cell, weight_ih.values, weight_hh.values, values, np.zeros_like(values), reverse=reverse
    )
    return layer, QuantisedLayer(weight_ih, weight_hh, quantised, _activations(direction.cell))


def _array(tensor: Any) -> FloatArray:
    return np.array(tensor.detach().cpu().double().numpy(), dtype=np.float64)


def _is_quantised(tensor: Any) -> bool:
    return all(hasattr(tensor, field) for field in ("value", "scale", "zero_point", "bit_width", "signed"))


def _weights(what: str, tensors: list[Any]) -> QuantisedWeights:
    """One tensor of all gates, at one scale."""
    for tensor in tensors:
        if not _is_quantised(tensor):
            raise ModelError(
                f"The {what} is not quantised to integers (it is a {type(tensor).__name__}); "
                f"give it a weight_quant, or use torch.nn.LSTM."
            )
    made = _join(what, tensors)
    if made.bits > WEIGHT_BITS:
        raise ModelError(
            f"The {what} needs {made.bits} bits at the finest of its scales, 2**-{made.fraction}; at most "
            f"{WEIGHT_BITS} are possible, so train it with fewer bits or with one scale "
            f"(shared_intra_layer_weight_quant=True, a quantiser per tensor)."
        )
    return made


def _join(what: str, tensors: list[Any]) -> QuantisedWeights:
    """The tensors of the gates, one below the other, their integers shifted to the finest scale."""
    parts = [_integers(what, tensor) for tensor in tensors]
    finest = max(int(fractions.max()) for _, fractions in parts)
    integers, bits = [], 0
    for (part, fractions), tensor in zip(parts, tensors):
        shifts = finest - fractions
        bits = max(bits, int(tensor.bit_width) + int(not bool(tensor.signed)) + int(shifts.max()))
        if bits > 62:
            raise ModelError(f"The {what} has scales too far apart for exact integers; use one scale.")
        integers.append(part << shifts)
    return QuantisedWeights(np.concatenate(integers), finest, bits)


def _integers(what: str, tensor: Any) -> tuple[IntArray, IntArray]:
    """Integers of one gate and, in their shape, the fraction bits of each."""
    values, scales = _array(tensor.value), _array(tensor.scale)
    zero_points = _array(tensor.zero_point)
    if np.any(zero_points != 0):
        raise ModelError(
            f"The {what} has the zero point {zero_points.flat[0]:g}; only 0 is supported, so use a symmetric quantiser."
        )
    mantissas, exponents = np.frexp(scales)
    wrong = scales[(mantissas != 0.5) | ~np.isfinite(scales)]
    if wrong.size:
        raise ModelError(f"The {what} has the scale {wrong.flat[0]:.9g}, which is no power of two; {_ADVICE}.")
    fractions = 1 - exponents.astype(np.int64)
    if fractions.size == 1:
        fractions = fractions.reshape(())
    elif fractions.ndim != values.ndim:
        raise ModelError(
            f"The {what} has scales of the shape {scales.shape}, which do not go with its own {values.shape}; "
            f"use a scale per tensor or per channel."
        )
    fractions = np.broadcast_to(fractions, values.shape)
    integers = np.ldexp(values, fractions)
    if not np.array_equal(integers, np.round(integers)):
        raise ModelError(f"The {what} has values that are no multiples of its scale; quantise it again.")
    return integers.astype(np.int64), fractions


def _bias(name: str, direction: Any, gates: list[Any]) -> QuantisedWeights | FloatArray:
    """The bias of all gates: integers where the module quantises it, else its values."""
    what = f"bias of layer '{name}'"
    if gates[0].bias is None:
        return np.zeros(len(gates) * int(direction.hidden_size))
    import torch

    step = torch.zeros(1, 1, int(direction.input_size), dtype=gates[0].bias.dtype, device=gates[0].bias.device)
    tensors = []
    for gate in gates:
        try:
            with torch.no_grad():
                tensors.append(gate.bias_quant(gate.bias, direction.io_quant(step), gate.input_weight()))
        except RuntimeError as error:
            raise ModelError(
                f"The {what} cannot be quantised by the module itself ({str(error).rstrip('.')}); "
                f"give it an io_quant, or bias_quant=None."
            ) from error
    if not all(_is_quantised(tensor) for tensor in tensors):
        return np.concatenate([_array(getattr(tensor, "value", tensor)) for tensor in tensors])
    return _join(what, tensors)


def _activations(cell: Any) -> dict[str, QuantisedActivation]:
    """The quantisers of activations of a cell that are enabled."""
    found = {}
    for name, proxy in cell.named_children():
        if name.endswith("_quant") and getattr(proxy, "is_quant_enabled", False):
            scale, bits = float(proxy.scale()), int(proxy.bit_width())
            found[name] = QuantisedActivation(scale, bits, bool(proxy.is_signed))
    return found

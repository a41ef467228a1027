"""Shapes of the layers of a quantised network, as the planner takes them."""

from __future__ import annotations

from rnngen.ir.quantised import QuantisedLstm, QuantisedNetwork
from rnngen.plan.engine import LayerShape


def layer_shapes(network: QuantisedNetwork) -> tuple[LayerShape, ...]:
    """One shape a layer, in network order."""
    return tuple(
        LayerShape(
            name=layer.name,
            kind="lstm" if isinstance(layer, QuantisedLstm) else "linear",
            gates=len(layer.gates),
            inputs=layer.formats.product.input_size,
            units=layer.output_size,
            recurrent=isinstance(layer, QuantisedLstm),
        )
        for layer in network.layers
    )

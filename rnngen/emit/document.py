"""design.json: everything about a design as plain data, and the way back to typed objects."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from rnngen.arith.format import Format
from rnngen.errors import DesignError
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.ir.quantised import (
    LinearFormats,
    LstmFormats,
    ProductFormats,
    QuantisedLayer,
    QuantisedLinear,
    QuantisedLstm,
    QuantisedNetwork,
)
from rnngen.plan.engine import EnginePlan, LayerShape
from rnngen.plan.memory import engine_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.timing import Pipeline

_PRODUCT_POINTS = ("x", "weight_x", "h", "weight_h", "bias")
_LSTM_POINTS = ("preactivation", "c", "h")


def format_dict(value: Format) -> dict[str, Any]:
    """A format as width, fraction bits and sign."""
    return {"width": value.width, "fraction": value.fraction, "signed": value.signed}


def layer_dict(layer: QuantisedLayer, plan: EnginePlan) -> dict[str, Any]:
    """One layer with its formats and its engine."""
    product = layer.formats.product
    recurrent = isinstance(layer, QuantisedLstm)
    formats = {point: format_dict(getattr(product, point)) for point in _product_points(recurrent)}
    formats["accumulator"] = format_dict(Format(product.accumulator_width, product.fraction))
    if isinstance(layer, QuantisedLstm):
        table = layer.formats.table
        formats |= {point: format_dict(getattr(layer.formats, point)) for point in _LSTM_POINTS}
        formats |= {"tanh": format_dict(table.tanh_format), "sigmoid": format_dict(table.sigmoid_format)}
    else:
        formats["y"] = format_dict(layer.formats.y)
    return {
        "name": layer.name,
        "kind": plan.shape.kind,
        "input_size": plan.shape.inputs,
        "hidden_size" if recurrent else "output_size": plan.shape.units,
        "formats": formats,
        "lanes": {"gates": plan.shape.gates, "rows": plan.rows, "columns": plan.columns},
        "element_lanes": plan.elements,
        "pipeline": asdict(plan.pipeline),
        "input_slots": plan.input_slots,
        "multipliers": plan.multipliers,
        "macs_per_step": plan.shape.macs,
        "tiles": plan.tiles,
        "x_words": plan.x_words,
        "h_words": plan.h_words,
        "sweep_cycles": plan.sweep,
        "interval_cycles": plan.interval,
        "recurrence_latency_cycles": plan.recurrence_latency if recurrent else None,
        "recurrence_hidden": plan.is_hidden(),
        "latency_cycles": plan.last_write_cycle + 1,
        "memory_bits": engine_memory_bits(layer, plan),
    }


def _product_points(recurrent: bool) -> tuple[str, ...]:
    return _PRODUCT_POINTS if recurrent else ("x", "weight_x", "bias")


def port_dict(words: int, size: int, lane_bits: int, word: Format) -> dict[str, Any]:
    """A stream port: how words lie in beats."""
    return {
        "tdata_bits": words * lane_bits,
        "words_per_beat": words,
        "beats_per_step": -(-size // words),
        "word_bits": word.width,
        "lane_bits": lane_bits,
        "words_per_step": size,
        "fraction_bits": word.fraction,
        "signed": word.signed,
    }


def read_format(data: dict[str, Any]) -> Format:
    """The inverse of ``format_dict``."""
    return Format(data["width"], data["fraction"], data["signed"])


def _read_product(layer: dict[str, Any]) -> ProductFormats:
    formats = {point: read_format(data) for point, data in layer["formats"].items()}
    x, weight = formats["x"], formats["weight_x"]
    hidden = layer.get("hidden_size", 0)
    h_operand = Format(formats["h"].width, formats["h"].fraction) if hidden else x
    return ProductFormats(
        layer["input_size"], hidden, x, weight, h_operand, formats["weight_h"] if hidden else weight, formats["bias"]
    )


def read_quantised(document: dict[str, Any], arrays: dict[str, Any]) -> QuantisedNetwork:
    """The integer network of a design."""
    layers: list[QuantisedLayer] = []
    for index, layer in enumerate(document["layers"]):
        formats = {point: read_format(data) for point, data in layer["formats"].items()}
        product = _read_product(layer)
        weight, bias = (_integers(arrays, f"{index}.{field}") for field in ("weight_x", "bias"))
        if layer["kind"] == "lstm":
            lstm = LstmFormats(
                product, formats["preactivation"], formats["tanh"].fraction, formats["c"], formats["h"]
            )
            layers.append(QuantisedLstm(layer["name"], weight, _integers(arrays, f"{index}.weight_h"), bias, lstm))
        else:
            layers.append(QuantisedLinear(layer["name"], weight, bias, LinearFormats(product, formats["y"])))
    return QuantisedNetwork(
        document["network"]["name"], tuple(layers), document["weight_bits"], document["activation_bits"]
    )


def _integers(arrays: dict[str, Any], name: str) -> Any:
    return _array(arrays, name).astype(np.int64)


def _array(arrays: dict[str, Any], name: str) -> Any:
    if name not in arrays:
        raise DesignError(f"The design's data has no array '{name}'; generate the design again.")
    return arrays[name]


def read_network(document: dict[str, Any], arrays: dict[str, Any]) -> Network:
    """The float network of a design."""
    layers: list[RecurrentLayer | LinearLayer] = []
    for index, layer in enumerate(document["layers"]):
        kind = RecurrentLayer if layer["kind"] == "lstm" else LinearLayer
        fields = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if kind is RecurrentLayer else ("weight", "bias")
        values = {field: _array(arrays, f"{index}.{field}") for field in fields}
        if kind is RecurrentLayer:
            layers.append(RecurrentLayer(name=layer["name"], cell="lstm", **values))
        else:
            layers.append(LinearLayer(name=layer["name"], **values))
    return Network(document["network"]["name"], tuple(layers), document["network"]["source"])


def read_plan(document: dict[str, Any]) -> NetworkPlan:
    """The plan of a design."""
    engines = []
    for layer in document["layers"]:
        recurrent = layer["kind"] == "lstm"
        shape = LayerShape(
            layer["name"],
            layer["kind"],
            layer["lanes"]["gates"],
            layer["input_size"],
            layer["hidden_size" if recurrent else "output_size"],
            recurrent,
        )
        engines.append(
            EnginePlan(
                shape,
                layer["lanes"]["rows"],
                layer["lanes"]["columns"],
                layer["element_lanes"],
                Pipeline(**layer["pipeline"]),
                layer["input_slots"],
            )
        )
    ports = document["ports"]
    return NetworkPlan(
        tuple(engines),
        ports["s_axis"]["words_per_beat"],
        ports["m_axis"]["words_per_beat"],
        document["output_slots"],
    )

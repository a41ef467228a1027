"""design.json: everything about a design as plain data, and the way back to typed objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from rnngen.arith.format import Format
from rnngen.errors import DesignError
from rnngen.gateware.external import ADDRESS_BITS, id_bits
from rnngen.ir.quantised import (
    Block,
    Branch,
    GruFormats,
    LayerFormats,
    LinearFormats,
    LstmFormats,
    Post,
    ProductFormats,
    QuantisedArgmax,
    QuantisedLayer,
    QuantisedMap,
    QuantisedNetwork,
)
from rnngen.ir.sparse import BankedMask
from rnngen.plan.branch import BranchPlan
from rnngen.plan.dsp import Dsp, pairing_sentence
from rnngen.plan.engine import EnginePlan
from rnngen.plan.external import PAGE_BYTES, MemoryPort
from rnngen.plan.layer import BankedShape, LayerShape
from rnngen.plan.network import BlockPlan, Join, NetworkPlan, SharedArray
from rnngen.plan.options import engine_dsps
from rnngen.plan.timing import Pipeline
from rnngen.plan.vectors import VectorBanks

_POINTS = {"lstm": ("preactivation", "c", "h"), "gru": ("preactivation", "inner", "state", "h"), "linear": ("y",)}
"""Formats of each kind of element-wise path beside the product's."""


def format_dict(value: Format) -> dict[str, Any]:
    """A format as width, fraction bits and sign."""
    return {"width": value.width, "fraction": value.fraction, "signed": value.signed}


def read_format(data: Mapping[str, Any]) -> Format:
    """The inverse of ``format_dict``."""
    return Format(data["width"], data["fraction"], data["signed"])


# Layers


def layer_dict(
    layer: QuantisedLayer, plan: EnginePlan, memory_bits: Mapping[str, int], banks: Mapping[str, VectorBanks]
) -> dict[str, Any]:
    """One layer with its formats and its engine; ``banks``: of the vectors, where zeros are not multiplied."""
    shape = plan.shape
    spaced = {"spaced": True} if shape.spaced else {}
    shared = {"shared_columns": plan.shared} if plan.shared else {}
    shares = {"shares": shape.shares} if shape.shares > 1 else {}
    apart = {"apart": True} if shape.apart else {}
    return spaced | shared | shares | apart | {
        "name": layer.name,
        "kind": shape.kind,
        "input_size": layer.formats.product.input_size,
        "input_columns": shape.inputs,
        "hidden_inputs": shape.hidden,
        "symbols": shape.symbols,
        "output_size": shape.units,
        "offsets": {"x": layer.x_offset, "h": layer.h_offset},
        "formats": _formats_dict(layer.formats),
        "begins": list(_begins(layer)),
        "states": _states_dict(layer, plan),
        "function": _function_dict(layer.formats) if isinstance(layer.formats, LinearFormats) else None,
        "gates": shape.gates,
        "lanes": {"gates": plan.gates_at_once, "rows": plan.rows, "columns": plan.columns},
        "element_lanes": plan.elements,
        "pipeline": asdict(plan.pipeline),
        "input_slots": plan.input_slots,
        "multipliers": plan.multipliers,
        "macs_per_step": layer.macs,
        "tiles": plan.tiles,
        "x_words": plan.x_words,
        "h_words": plan.h_words,
        "sweep_cycles": plan.sweep,
        "pass_words": list(plan.passes),
        "x_lanes": plan.x_lanes,
        "interval_cycles": plan.interval,
        "recurrence_latency_cycles": plan.recurrence_latency if shape.hidden and shape.alone else None,
        "latency_stages": [list(stage) for stage in plan.latency_stages()],
        "recurrence_hidden": plan.is_hidden(),
        "latency_cycles": plan.last_write_cycle + 1,
        "memory_bits": dict(memory_bits),
        **_masks_dict(layer, plan, banks),
    }


def pairing_dict(layer: QuantisedLayer, plan: EnginePlan, dsp: Dsp | None) -> dict[str, Any]:
    """DSP blocks of a layer, where it is known which the device has."""
    if dsp is None:
        return {}
    return {
        "pair_width": plan.shape.pair_width,
        "pairing": pairing_sentence(layer.formats.product, dsp),
        "array_dsps": plan.array_dsps,
        "element_dsps": engine_dsps(plan) - plan.array_dsps,
    }


def dsp_dict(plan: NetworkPlan, dsp: Dsp | None) -> dict[str, Any]:
    """DSP blocks of the accelerator, where it is known which the device has."""
    if dsp is None:
        return {}
    elements = sum(engine_dsps(engine) - engine.array_dsps for engine in plan.engines)
    widths = {"wide_bits": dsp.wide, "narrow_bits": dsp.narrow}
    return {"dsp": {"kind": dsp.name, **widths, "arrays": plan.array_dsps, "elements": elements}}


def _formats_dict(formats: LayerFormats) -> dict[str, Any]:
    product = formats.product
    points = (["x", "weight_x"] if product.input_size else ["x"]) + (["h", "weight_h"] if product.hidden_size else [])
    found = {f"operand_{point}" if point == "h" else point: getattr(product, point) for point in [*points, "bias"]}
    found["accumulator"] = Format(product.accumulator_width, product.fraction)
    kind = "linear" if isinstance(formats, LinearFormats) else formats.kind
    found |= {point: getattr(formats, point) for point in _POINTS[kind]}
    if formats.preactivation is not None:
        found |= {"preactivation": formats.preactivation, "tanh": formats.table.tanh_format}
        found["sigmoid"] = formats.table.sigmoid_format
    return {point: format_dict(value) for point, value in found.items()}


def _function_dict(formats: LinearFormats) -> dict[str, Any]:
    return {"name": formats.function, "low": formats.low, "high": formats.high}


def _read_product(layer: Mapping[str, Any], formats: Mapping[str, Format]) -> ProductFormats:
    x = formats["x"]
    h = formats.get("operand_h", x)
    weight_x = formats.get("weight_x", formats.get("weight_h"))
    assert weight_x is not None
    weight_h = formats.get("weight_h", weight_x)
    sizes = layer["input_size"], layer["hidden_inputs"]
    point = formats["accumulator"].fraction
    return ProductFormats(*sizes, x, weight_x, h, weight_h, formats["bias"], point).at_point(point)


def _read_formats(layer: Mapping[str, Any]) -> LayerFormats:
    formats = {point: read_format(data) for point, data in layer["formats"].items()}
    product = _read_product(layer, formats)
    if layer["kind"] == "lstm":
        fraction = formats["tanh"].fraction
        return LstmFormats(product, formats["preactivation"], fraction, formats["c"], formats["h"])
    if layer["kind"] == "gru":
        fraction = formats["tanh"].fraction
        states = (formats["inner"], formats["state"], formats["h"])
        return GruFormats(product, formats["preactivation"], fraction, *states)
    function = layer["function"]
    return LinearFormats(
        product, formats["y"], function["name"], function["low"], function["high"], formats.get("preactivation")
    )


def _array(arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise DesignError(f"The design's data has no array '{name}'; generate the design again.")
    return arrays[name].astype(np.int64)


def _read_layer(index: int, layer: Mapping[str, Any], arrays: Mapping[str, Any]) -> QuantisedLayer:
    rows = len(_array(arrays, f"{index}.weight_h")) if not layer["input_size"] else 0
    return QuantisedLayer(
        layer["name"],
        _array(arrays, f"{index}.weight_x") if layer["input_size"] else np.zeros((rows, 0), dtype=np.int64),
        _array(arrays, f"{index}.weight_h") if layer["hidden_inputs"] else None,
        _array(arrays, f"{index}.bias"),
        _read_formats(layer),
        layer["offsets"]["x"],
        layer["offsets"]["h"],
        **{what: _array(arrays, f"{index}.{what}") for what in layer["begins"]},
        mask_x=_read_mask(index, "mask_x", layer, arrays),
        mask_h=_read_mask(index, "mask_h", layer, arrays),
        apart=layer.get("apart", False),
    )


def _masks(layer: QuantisedLayer) -> dict[str, BankedMask]:
    masks = {"mask_x": layer.mask_x, "mask_h": layer.mask_h}
    return {what: mask for what, mask in masks.items() if mask is not None}


def _masks_dict(layer: QuantisedLayer, plan: EnginePlan, banks: Mapping[str, VectorBanks]) -> dict[str, Any]:
    """Of a layer whose zeros are not multiplied: its banks; nothing else."""
    if plan.shape.banked is None:
        return {}
    masks = {
        what: {
            "banks": mask.banks,
            "kept": mask.kept,
            "shared_rows": mask.shared_rows,
            "gates": mask.gates,
            "nonzeros": mask.nonzeros,
            "index_bits": mask.index_bits,
        }
        for what, mask in _masks(layer).items()
    }
    vectors = {what: asdict(bank) | {"copies": bank.copies} for what, bank in banks.items()}
    return {
        "banked": asdict(plan.shape.banked), "masks": masks, "index_sets": plan.index_sets, "vector_banks": vectors
    }  # fmt: skip


def _read_mask(index: int, what: str, layer: Mapping[str, Any], arrays: Mapping[str, Any]) -> BankedMask | None:
    given = layer.get("masks", {}).get(what)
    if given is None:
        return None
    mask = _array(arrays, f"{index}.{what}") != 0
    return BankedMask(given["banks"], given["kept"], given["shared_rows"], mask, given["gates"])


def integer_arrays(network: QuantisedNetwork) -> dict[str, Any]:
    """Every integer array, named ``INDEX.FIELD``."""
    arrays = {}
    for index, layer in enumerate(network.layers):
        if layer.weight_x.size:
            arrays[f"{index}.weight_x"] = layer.weight_x
        if layer.weight_h is not None:
            arrays[f"{index}.weight_h"] = layer.weight_h
        arrays[f"{index}.bias"] = layer.bias
        arrays |= {f"{index}.{what}": state for what, state in _begins(layer).items()}
        arrays |= {f"{index}.{what}": mask.mask.astype(np.int64) for what, mask in _masks(layer).items()}
    return arrays


def _begins(layer: QuantisedLayer) -> dict[str, Any]:
    states = {"h_0": layer.h_0, "state_0": layer.state_0}
    return {what: state for what, state in states.items() if state is not None}


def _states_dict(layer: QuantisedLayer, plan: EnginePlan) -> dict[str, Any]:
    """How the h that the engine multiplies and what its units remember lie in memory words.

    Word w of h holds h[w * lanes : (w + 1) * lanes], element 0 in the low bits.  The state lies likewise, but each
    tile of ``tile_rows`` units begins a new word.  ``load`` and ``read``: numbers in LOAD_SELECT and READ_SELECT.
    """
    formats, found = layer.formats, {}
    if plan.shape.gives_h:
        found["h"] = {"load": 2, "read": 0, "lanes": plan.h_columns, "format": format_dict(formats.product.h)}
    if not isinstance(formats, LinearFormats):
        state = formats.c if isinstance(formats, LstmFormats) else formats.state
        order = {"tile_rows": plan.rows, "units": plan.shape.units}
        found["state"] = {"load": 3, "read": 1, "lanes": plan.elements, "format": format_dict(state), **order}
    return found


# Blocks


def block_dict(block: Block, plan: BlockPlan) -> dict[str, Any]:
    """How engines work together."""
    delays = {"delays": [branch.delay for branch in plan.branches]} if any(b.delay for b in plan.branches) else {}
    slices = {"inputs": plan.inputs, "exchange_cycles": plan.branches[0].exchange} if plan.inputs else {}
    slices |= {"joins": block.joins} if block.joins else {}
    return delays | slices | {
        "branches": [
            {"stages": [list(stage) for stage in branch.stages], "reverse": branch.reverse} for branch in block.branches
        ],
        "select": block.select,
        "post": [_post_dict(post) for post in block.post],
        "source": block.source,
        "post_cycles": plan.post_cycles,
        "capacity_steps": plan.capacity,
        "lanes": plan.lanes,
        "interval_cycles": plan.interval,
        "recurrence_latency_cycles": plan.branches[0].recurrence_latency,
    }


def _post_dict(post: Post) -> dict[str, Any]:
    if isinstance(post, QuantisedArgmax):
        return {"kind": "argmax", "name": post.name, "size": post.size}
    return {
        "kind": "map",
        "name": post.name,
        "size": post.size,
        "scale": post.scale,
        "bias": post.bias,
        "formats": _formats_dict(post.formats),
        "function": _function_dict(post.formats),
    }


def _read_post(data: Mapping[str, Any]) -> Post:
    if data["kind"] == "argmax":
        return QuantisedArgmax(data["name"], data["size"])
    formats = _read_formats({**data, "input_size": 1, "hidden_inputs": 0})
    assert isinstance(formats, LinearFormats)
    return QuantisedMap(data["name"], data["size"], data["scale"], data["bias"], formats)


def _read_block(data: Mapping[str, Any]) -> Block:
    branches = tuple(
        Branch(tuple(tuple(stage) for stage in branch["stages"]), branch["reverse"]) for branch in data["branches"]
    )
    post = tuple(_read_post(post) for post in data["post"])
    return Block(branches, data["select"], post, data["source"], data.get("inputs", 0), data.get("joins", 0))


def read_quantised(document: Mapping[str, Any], arrays: Mapping[str, Any]) -> QuantisedNetwork:
    """The integer network of a design."""
    return QuantisedNetwork(
        document["network"]["name"],
        tuple(_read_layer(index, layer, arrays) for index, layer in enumerate(document["layers"])),
        tuple(_read_block(block) for block in document["blocks"]),
        document["weight_bits"],
        document["activation_bits"],
    )


# Ports and plan


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


def _read_engine(layer: Mapping[str, Any], stages: int, streams: int) -> EnginePlan:
    lanes, offsets = layer["lanes"], layer["offsets"]
    shape = LayerShape(
        layer["name"],
        layer["kind"],
        layer["gates"],
        layer["input_columns"],
        layer["output_size"],
        layer["hidden_inputs"],
        layer["symbols"],
        stages == 1,
        offsets["x"],
        offsets["h"],
        layer["input_columns"] - layer["input_size"],
        streams,
        layer.get("spaced", False),
        layer.get("pair_width", 0),
        BankedShape(**layer["banked"]) if "banked" in layer else None,
        layer.get("shares", 1),
        layer.get("apart", False),
    )
    pipeline = Pipeline(**layer["pipeline"])
    return EnginePlan(
        shape, lanes["rows"], lanes["columns"], layer["element_lanes"], pipeline, layer["input_slots"],
        tuple(layer["pass_words"]), layer["x_lanes"], layer["gates"] // lanes["gates"],
        layer.get("shared_columns", 0),
    )  # fmt: skip


def _read_block_plan(block: Block, data: Mapping[str, Any], document: Mapping[str, Any]) -> BlockPlan:
    layers, streams = document["layers"], document["streams"]
    branches = tuple(
        BranchPlan(
            tuple(
                tuple(_read_engine(layers[k], len(branch.stages), streams) for k in stage) for stage in branch.stages
            ),
            delay,
            data.get("exchange_cycles", 0),
        )
        for branch, delay in zip(block.branches, data.get("delays", [0] * len(block.branches)))
    )
    argmax = any(isinstance(post, QuantisedArgmax) for post in block.post)
    return BlockPlan(
        branches, block.select, data["post_cycles"], int(argmax), data["capacity_steps"], data["lanes"], block.inputs
    )


def external_dict(plan: NetworkPlan, file: str) -> dict[str, Any]:
    """Weights in external memory: the port, what binds the step interval, and where each engine's lie in ``file``."""
    memory, streams = plan.memory, plan.weights
    assert memory is not None
    return {
        "file": file,
        "bytes": streams[-1].offset + streams[-1].bytes,
        "alignment_bytes": PAGE_BYTES,
        "data_bits": memory.data_bits,
        "address_bits": ADDRESS_BITS,
        "id_bits": id_bits(len(streams)),
        "latency_cycles": memory.latency,
        "burst_beats": memory.burst,
        "memory_cycles": plan.memory_cycles,
        "multiplier_cycles": plan.unheld_interval,
        "binds": "memory" if plan.memory_cycles > plan.unheld_interval else "multipliers",
        "engines": [
            {
                "offset_bytes": stream.offset,
                "bytes": stream.bytes,
                "weight_bits": bits,
                "word_bits": stream.word_bits,
                "words": stream.words,
                "beats": stream.beats,
                "buffer_entries": stream.depth,
                "buffer_bits": stream.depth * stream.entry_bits,
            }
            for stream, bits in zip(streams, plan.weight_bits)
        ],
    }


def _read_memory(document: Mapping[str, Any]) -> tuple[MemoryPort | None, tuple[int, ...]]:
    data = document.get("external_weights")
    if data is None:
        return None, ()
    port = MemoryPort(data["data_bits"], data["latency_cycles"], data["burst_beats"])
    return port, tuple(engine["weight_bits"] for engine in data["engines"])


def read_plan(document: Mapping[str, Any]) -> NetworkPlan:
    """The plan of a design."""
    blocks = tuple(
        _read_block_plan(_read_block(data), data, document) for data in document["blocks"]
    )
    ports = document["ports"]
    return NetworkPlan(
        blocks,
        ports["s_axis"]["words_per_beat"],
        ports["m_axis"]["words_per_beat"],
        document["output_slots"],
        _read_shared(document.get("shared_array")),
        *_read_memory(document),
        remote_words=ports["s_axis_h"]["words_per_beat"] if "s_axis_h" in ports else 0,
        handed_words=ports["m_axis_h"]["words_per_beat"] if "m_axis_h" in ports else 0,
        join=Join(**document["join"]) if "join" in document else None,
    )


def shared_dict(shared: SharedArray) -> dict[str, Any]:
    """The array that all engines share."""
    return {
        "rows": shared.rows,
        "columns": shared.columns,
        "group_rows": shared.elements,
        "frame_cycles": shared.frame,
        "block_starts": list(shared.starts),
    }


def _read_shared(data: Mapping[str, Any] | None) -> SharedArray | None:
    if data is None:
        return None
    starts = tuple(data["block_starts"])
    return SharedArray(data["rows"], data["columns"], data["group_rows"], data["frame_cycles"], starts)

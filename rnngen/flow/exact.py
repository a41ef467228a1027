"""A live model in the exact arithmetic, to be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnngen.errors import ModelError
from rnngen.flow.generate import DEFAULT_OPTIONS, GenerateOptions, calibration_input
from rnngen.frontend import Model, load
from rnngen.frontend.places import Places, as_module, find_places
from rnngen.ir.quantised import Block, QuantisedLayer, QuantisedMap
from rnngen.passes.fold import fold
from rnngen.passes.quantise import quantise

if TYPE_CHECKING:
    from rnngen.nn.exact_network import BlockSource, EngineSource, ExactNetwork


def exact_network(model: Model, options: GenerateOptions = DEFAULT_OPTIONS) -> ExactNetwork:
    """The accelerator that ``generate`` would make of a live model, as a module that gives its values bit for bit.

    It computes with the model's own parameters, masked where masks are held (``rnngen.nn.hold_mask``), so training it
    trains the model.  The formats are those that ``generate`` chooses with the same options for the parameters as
    they are now; trained parameters may get others, so make it anew now and then, and at the end: its accuracy is the
    circuit's.  It has the layers that the accelerator has; what the model does before and behind them is the caller's.

    Args:
        model: A live module.
        options: ``imports``, ``calibrate``, ``weight_bits`` and ``activation_bits`` count.

    Raises:
        ModelError: if the model is no live module, or holds what cannot be trained so (folded scalings,
            a state that sequences begin with, an argmax).
        RnngenError: as ``generate``.
    """
    from rnngen.nn import released_copy
    from rnngen.nn.exact_network import ExactNetwork

    module = as_module(model)
    plain = released_copy(module)
    network = fold(load(plain, options.imports))
    places = find_places(plain, network)
    calibration, _ = calibration_input(options, network)
    quantised = quantise(network, options.weight_bits, options.activation_bits, calibration)
    engines = [_engine(layer, places[layer.name]) for layer in quantised.layers]
    blocks = [_block(block) for block in quantised.blocks]
    return ExactNetwork(module, engines, blocks, quantised.input_format, quantised.output_format)


def _engine(layer: QuantisedLayer, places: Places) -> EngineSource:
    from rnngen.nn.exact_network import EngineSource

    return EngineSource(
        layer.name, layer.formats, layer.output_size, places.weight_x, places.weight_h, places.bias, places.part,
        layer.x_offset, layer.h_offset, places.table,
    )  # fmt: skip


def _block(block: Block) -> BlockSource:
    from rnngen.nn.exact_network import BlockSource, BranchSource, MapSource

    maps = []
    for post in block.post:
        if not isinstance(post, QuantisedMap):
            raise ModelError(f"Layer '{post.name}' is an argmax, which has no gradient; end the model before it.")
        maps.append(MapSource(post.scale, post.bias, post.formats))
    branches = tuple(BranchSource(branch.stages, branch.reverse) for branch in block.branches)
    return BlockSource(branches, block.select, tuple(maps))

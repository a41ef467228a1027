"""The operand path of a layer whose zeros are not multiplied: all that is as wide as its rows is one leaf."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import ClockSignal, Const, Instance, Module, Mux, Signal, Value

from rnngen.gateware.array import ArrayShape
from rnngen.gateware.buffers import VectorWriter
from rnngen.gateware.sequencer import Sequencer
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.vectors import VectorBanks


def place_address(m: Module, plan: EnginePlan, sequencer: Sequencer, again: Value) -> Signal:
    """Where the places of each issue are, if they have a memory of their own: tiles that share them read them again.

    Args:
        again: The step begins again (its h pass, of a spaced engine).
    """
    address = Signal(range(max(2, plan.index_words)), name="place_address")
    following, begin = Signal.like(address, name="next_place"), Signal.like(address, name="first_place")
    tile, set_end, tile_end = Signal(range(plan.tiles_a_set), name="tile_of_set"), Signal(), Signal()
    m.d.comb += [
        following.eq(Mux(address == plan.index_words - 1, 0, address + 1)),
        tile_end.eq(sequencer.last & (sequencer.turn == plan.partial_turns - 1)),
        set_end.eq(sequencer.last_tile | (tile == plan.tiles_a_set - 1)),
    ]
    with m.If(sequencer.issue):
        m.d.sync += address.eq(following)
    with m.If(tile_end & set_end):
        m.d.sync += [begin.eq(following), tile.eq(0)]
    with m.Elif(tile_end):
        m.d.sync += [address.eq(begin), tile.eq(tile + 1)]
    with m.If(again):
        m.d.sync += [address.eq(0), begin.eq(0), tile.eq(0)]
    return address


def make_banked_array(
    m: Module, layer: QuantisedLayer, plan: EnginePlan, array: ArrayShape, sequencer: Sequencer, word: Value,
    x: VectorWriter | None, h: VectorWriter | None, banks: Mapping[str, VectorBanks], sums: Signal, sums_x: Signal,
) -> Instance:  # fmt: skip
    """``rnn_banked_array``.

    Args:
        word: Weights and places, one cycle behind their issue.
        x, h: What writes the vectors that are multiplied; None: there is none.
        banks: What holds them.
        sums, sums_x: Of a group; of gate n of a GRU in one pass.
    """
    banked, product = plan.shape.banked, layer.formats.product
    assert banked is not None
    vectors = {"X": (x, product.shift_x, sequencer.x_address), "H": (h, product.shift_h, sequencer.h_address)}
    ports: dict[str, object] = {}
    for name, (writer, shift, address) in vectors.items():
        ports |= _vector(m, name, writer, shift, address)
        if writer is not None:
            ports[f"p_{name}_STYLE"] = banks[name.lower()].style
    given = Signal(5, name="banked_issue")
    now = (sequencer.from_x, sequencer.step_first, sequencer.first, sequencer.first_h & array.split, sequencer.last)
    m.d.sync += [given[number].eq(value) for number, value in enumerate(now)]
    names = ("from_x", "first_step", "first", "first_h", "last")
    return Instance(
        "rnn_banked_array",
        p_ROWS=array.rows,
        p_BANKS=banked.banks,
        p_GROUP_ROWS=array.group_rows,
        p_SETS=plan.index_sets,
        p_GATES=plan.gates_at_once,
        p_SHARED=banked.shared_rows,
        p_INDEX_WIDTH=banked.index_bits,
        p_WEIGHT_WIDTH=array.weight_width,
        p_VECTOR_WIDTH=array.vector_width,
        p_ACC_WIDTH=array.sum_width,
        p_PRODUCT_STAGES=array.pipeline.product_registers(True),
        p_TREE_STAGES_EVERY=array.pipeline.tree_stages_every,
        p_MULTIPLIER=array.multiplier,
        p_SPLIT=int(array.split),
        p_BANK_WIDTH=max(1, (banked.banks - 1).bit_length()),
        i_clk=ClockSignal(),
        i_word=word,
        **{f"i_{name}": given[number] for number, name in enumerate(names)},
        o_group=sums,
        o_group_x=sums_x if array.split else Signal(array.sum_width, name="no_sums_x"),
        **ports,
    )


def _vector(m: Module, name: str, writer: VectorWriter | None, shift: int, address: Signal) -> dict[str, object]:
    """Parameters and ports of one of the two vectors."""
    low = name.lower()
    if writer is None:  # what is not connected is not read
        return {f"p_HAS_{name}": 0, f"i_{low}_word": Const(0, 1), f"i_{low}_write_enable": Const(0, 1)}
    begins = Signal(writer.port.word.shape(), name=f"{low}_begins")
    m.d.sync += begins.eq(address)
    ports: dict[str, object] = {f"p_{name}_{what}": value for what, value in writer.parameters.items()}
    ports |= {f"p_HAS_{name}": 1, f"p_SHIFT_{name}": shift, f"i_{low}_word": begins}
    written = ("enable", "word", "bank", "count", "data")
    return ports | {f"i_{low}_write_{what}": getattr(writer.port, what) for what in written}

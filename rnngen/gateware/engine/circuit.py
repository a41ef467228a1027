"""What the parts of an engine's circuit share: its layer, its plan, and its memories with images."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value
from amaranth.lib import wiring

from rnngen.arith.format import Format
from rnngen.arith.points import ProductFormats
from rnngen.gateware.buffers import address_width, fit_address
from rnngen.gateware.context import EngineContext
from rnngen.gateware.loader import LoadableMemory
from rnngen.gateware.parameters import image_names, parameter_memories, state_memories
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.memory import state_width


class EngineMemories:
    """The memories of an engine that have images.

    Attributes:
        states: The state that sequences begin with, by what they hold.
        loadable: Those that can be written at run time.
        shows_state: Whether h and state can be read over the control port.
        begins: By ``states``, whether there is such a memory: it is not where that state is 0 for good.
    """

    def __init__(self, layer: QuantisedLayer, plan: EnginePlan, context: EngineContext) -> None:
        options = context.options
        images = 2 if options.double_buffer else 1
        self.states = state_memories(context.index, layer, plan, context.h_size)
        self.loadable: dict[str, LoadableMemory] = {}
        if options.loadable:
            self.loadable |= parameter_memories(context.index, layer, plan, images)
        if options.state_access:
            self.loadable |= self.states
        self.shows_state = options.state_access and bool(plan.shape.gives_h or state_width(layer))
        self.begins = {
            "h_0": plan.shape.gives_h and (options.state_access or layer.h_0 is not None),
            "state_0": state_width(layer) > 0 and (options.state_access or layer.state_0 is not None),
        }


@dataclass(frozen=True, eq=False)
class EngineCircuit:
    """What all parts of an engine's circuit read, and the module that all of them are built into.

    Attributes:
        ports: The engine, for its ports.
        shown: Words that the control port may look at: h, where it is multiplied, before the state.
    """

    m: Module
    ports: wiring.Component
    layer: QuantisedLayer
    plan: EnginePlan
    context: EngineContext
    memories: EngineMemories
    shown: list[Value] = field(default_factory=list)

    @property
    def product(self) -> ProductFormats:
        """Formats of products and sums."""
        return self.layer.formats.product

    @property
    def x_format(self) -> Format:
        """Of an operand x; where that is multiplied apart there is none, and its place is as wide as that of h."""
        return self.product.h if self.layer.apart else self.product.x

    @property
    def others(self) -> list[str]:
        """Ports at which the h of other devices comes."""
        return others(self.plan)

    def image(self, what: str) -> str:
        """Name of the memory image of ``what``."""
        return image_names(self.context.index, self.context.options.images)[what]

    def parameter_memory(self, what: str, depth: int, address: Value, word: Signal) -> Instance:
        """The memory of ``what``, initialised from its image, and written at run time where that is asked for."""
        loadable = self.memories.loadable
        images = loadable[what].images if what in loadable else 1
        depth *= images
        ports: dict[str, object] = {
            "p_WIDTH": len(word),
            "p_DEPTH": depth,
            "p_ADDRESS_WIDTH": address_width(depth),
            "p_INIT_FILE": self.image(what),
            "i_clk": ClockSignal(),
            "i_address": address,
            "o_data": word,
        }
        if what not in loadable:
            return Instance("rnn_weight_rom", **ports)
        load = getattr(self.ports, f"load_{what}")
        writes = {"i_write_enable": load.enable, "i_write_address": load.address, "i_write_data": load.data}
        leaf = "rnn_weight_spram" if self.context.options.single_port and what == "weights" else "rnn_weight_memory"
        if images == 2:  # the words of both images take turns, so that neither address needs an adder
            ports["i_address"] = fit_address(self.m, Cat(self.ports.image, address), depth)
            writes["i_write_address"] = fit_address(self.m, Cat(~self.ports.image, load.address), depth)
        return Instance(leaf, **ports, **writes)

    def beginning(self, what: str, address: Value) -> Signal:
        """The state that a sequence begins with, read one cycle behind its address."""
        memory = self.memories.states[what]
        word = Signal(memory.width, name=f"{what}_word")
        place = fit_address(self.m, address, memory.depth)
        self.m.submodules[what] = self.parameter_memory(what, memory.depth, place, word)
        return word


def others(plan: EnginePlan) -> list[str]:
    """Ports at which the h of other devices comes to an engine."""
    return [f"h_{number}" for number in range(1, plan.shape.shares)]

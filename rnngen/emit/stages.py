"""What a waveform shows: the stages of each engine by name, every value a signal of its own with its binary point.

A module of the simulation alone, bound into the core.  It reads the circuit and nothing in the circuit reads it, and
only its signals and those of nothing else are traced: no memory, and no wide bus.  A value is declared with the range
``[integer bits:-fraction]``, so that a viewer that takes the point from there needs to be told nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnngen.arith.beats import PortFormat
from rnngen.arith.format import Format
from rnngen.emit.design import Design
from rnngen.ir.quantised import GruFormats, LstmFormats, QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import NetworkPlan
from rnngen.plan.timing import OPERAND_CYCLES

MOST_LANES = 8
"""Values of a stage that are shown: units, or columns, of the first lanes."""

INSTANCE = "stages"
"""Name of the module's instance in the core."""


@dataclass(frozen=True)
class Wave:
    """A signal of the view.

    Attributes:
        name: In its scope.  source: What it is, in Verilog, seen from the core.
        format: Of a value; None: a flag.
        counts: Bits of a number that is no value, such as that of a step; 0: none.
    """

    name: str
    source: str
    format: Format | None = None
    counts: int = 0

    @property
    def range(self) -> str:
        """As Verilog declares it: the binary point is between bits 0 and -1."""
        if self.format is not None:
            return f"[{self.format.width - 1 - self.format.fraction}:{-self.format.fraction}]"
        return f"[{self.counts - 1}:0]" if self.counts else ""

    @property
    def is_signed(self) -> bool:
        """Whether it is a signed value."""
        return self.format is not None and self.format.signed


@dataclass(frozen=True)
class Stage:
    """Neighbouring signals of a view; the name is that of the cycle law, as in the report."""

    name: str
    waves: tuple[Wave, ...]


@dataclass(frozen=True)
class Scope:
    """What belongs together: a port of the core, or an engine.

    Attributes:
        name: For people.  scope: In the waveform.
        stages: In the order of the data.  further: Verilog that its signals need.
    """

    name: str
    scope: str
    stages: tuple[Stage, ...]
    further: str = ""


@dataclass(frozen=True)
class View:
    """All of a core that a waveform shows.

    Attributes:
        top: The core's module.  scopes: Its ports and engines.
    """

    top: str
    scopes: tuple[Scope, ...]

    @property
    def module(self) -> str:
        """Name of the module that holds the signals."""
        return f"{self.top}_{INSTANCE}"

    def verilog(self) -> str:
        """The module, and where it is bound."""
        lines = [
            "// Signals for waveforms, in a simulation alone: the first lanes of every stage, each value with its",
            "// binary point between bits 0 and -1 of its range.",
            f"module {self.module};",
            f"    wire aclk = {self.top}.aclk;",
        ]
        for scope in self.scopes:
            lines.append(f"    if (1) begin : {scope.scope}")
            lines += [f"        {line}" for line in scope.further.splitlines()]
            for stage in scope.stages:
                lines.append(f"        // {stage.name}")
                for wave in stage.waves:
                    sign = "signed " if wave.is_signed else ""
                    width = f"{wave.range} " if wave.range else ""
                    lines.append(f"        wire {sign}{width}{wave.name} = {wave.source};")
            lines.append("    end")
        return "\n".join([*lines, "endmodule", f"bind {self.top} {self.module} {INSTANCE}();", ""])


def engine_paths(plan: NetworkPlan) -> list[str]:
    """Where each engine sits in the core."""
    blocks = [number for number, block in enumerate(plan.blocks) for _ in block.engines]
    return [f"block{block}.engine{index}" for index, block in enumerate(blocks)]


def view_of(design: Design) -> View:
    """What a waveform shows of a design: beats at its ports, and the stages of its engines."""
    network, plan, top = design.quantised, design.plan, design.top
    ports = design.document["ports"]
    scopes = [_port("input port", "s_axis", network.input_format, PortFormat.from_design(ports["s_axis"]), top)]
    pairs = zip(network.layers, plan.engines, engine_paths(plan))
    scopes += [_engine(layer, engine, f"{top}.{path}", index) for index, (layer, engine, path) in enumerate(pairs)]
    scopes.append(_port("output port", "m_axis", network.output_format, PortFormat.from_design(ports["m_axis"]), top))
    return View(top, tuple(scopes))


def identifier(name: str) -> str:
    """A name as Verilog takes it."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _port(title: str, name: str, word: Format, port: PortFormat, top: str) -> Scope:
    """A stream port: its handshake, and the words of a beat."""
    lane = port.tdata_bits // port.words_per_beat
    flags = [Wave(flag, f"{top}.{name}_{flag}") for flag in ("tvalid", "tready", "tlast")]
    words = [
        Wave(f"word_{number}", f"{top}.{name}_tdata[{number * lane} +: {word.width}]", word)
        for number in range(min(port.words_per_beat, MOST_LANES))
    ]
    taken = Wave("beat", f"{top}.{name}_tvalid & {top}.{name}_tready")
    return Scope(title, f"{name}_port", (Stage("beats", (taken, *flags, *words)),))


def _engine(layer: QuantisedLayer, plan: EnginePlan, path: str, index: int) -> Scope:
    """An engine: what it multiplies, its sums, and its element-wise path."""
    lanes = min(plan.elements, MOST_LANES)
    stages = [
        Stage("x part and h part", tuple(_parts(plan, path))),
        *_products(layer, plan, path),
        Stage("sums", (Wave("sums_valid", f"{path}.probe_sums_valid"), *_sums(layer, plan, path, lanes))),
        *_preactivations(layer, plan, path, lanes),
        *_activations(layer, plan, path, lanes),
        *_state(layer, plan, path, lanes),
        Stage("output", tuple(_output(layer, path, lanes))),
    ]
    further = "\n".join([*_operand_flags(path), *_gate_flag(layer, plan, path), *_places(plan, path)])
    return Scope(layer.name, f"engine{index}_{identifier(layer.name)}", tuple(stages), further)


def _parts(plan: EnginePlan, path: str) -> Iterator[Wave]:
    """Which words are issued."""
    for part, words in (("x", plan.x_words), ("h", plan.h_words)):
        if words:
            yield Wave(f"{part}_part", f"{path}.probe_issue & {path}.probe_from_{part}")


def _delayed(name: str, source: str, cycles: int) -> list[str]:
    """A flag so many cycles later, as Verilog."""
    if not cycles:
        return [f"wire {name} = {source};"]
    moved = f"{{{name}_line[{cycles - 2}:0], {source}}}" if cycles > 1 else source
    return [
        f"reg [{cycles - 1}:0] {name}_line;",
        f"always @(posedge aclk) {name}_line <= {moved};",
        f"wire {name} = {name}_line[{cycles - 1}];",
    ]


def _operand_flags(path: str) -> list[str]:
    """Whether the array's word is of x, or of h."""
    return [
        line
        for part in "xh"
        for line in _delayed(f"of_{part}", f"({path}.probe_issue & {path}.probe_from_{part})", OPERAND_CYCLES)
    ]


def _has_own_array(plan: EnginePlan) -> bool:
    """Whether the engine has a dense array to itself, so that its word is one of all its lanes."""
    return plan.shape.banked is None and not plan.share_cycles


def _products(layer: QuantisedLayer, plan: EnginePlan, path: str) -> Iterator[Stage]:
    """The word that the array multiplies, and the products of its first row."""
    if not _has_own_array(plan):
        return
    product = layer.formats.product
    vector, weights = f"{path}.array.vector", f"{path}.array.weights"
    width, weight = product.operand_width, product.weight_width
    x_columns, first_h = range(plan.x_columns if plan.x_words else 0), plan.x_lanes
    waves = []
    for part, columns, first, point in (
        ("x", x_columns, 0, product.x.fraction + product.shift_x),
        ("h", range(plan.h_columns if plan.h_words else 0), first_h, product.h.fraction + product.shift_h),
    ):
        for column in list(columns)[:MOST_LANES]:
            word = f"{vector}[{(first + column) * width} +: {width}]"
            source = f"of_{part} ? {word} : {width}'d0"
            waves.append(Wave(f"operand_{part}_{column}", source, Format(width, point)))
    together = Format(width + weight, product.fraction)
    for column in range(min(plan.columns, MOST_LANES)):
        operand = f"$signed({vector}[{column * width} +: {width}])"
        source = f"$signed({weights}[{column * weight} +: {weight}]) * {operand}"
        waves.append(Wave(f"product_{column}", source, together))
    yield Stage("products", (Wave("multiplies", "of_x | of_h"), *waves))


def _sums(layer: QuantisedLayer, plan: EnginePlan, path: str, lanes: int) -> Iterator[Wave]:
    """Sums of rows without their biases (of an unrolled engine: with them)."""
    product, gates = layer.formats.product, layer.gates
    width = product.total_width if plan.is_unrolled else product.accumulator_width
    for unit in range(lanes):
        for number, gate in enumerate(gates):
            bits = f"{path}.tail.sums[{(unit * len(gates) + number) * width} +: {width}]"
            yield Wave(f"sum_{gate}_{unit}", bits, Format(width, product.fraction))
        if layer.kind == "gru":
            own = product.accumulator_width
            bits = f"{path}.tail.sums_x[{unit * own} +: {own}]"
            yield Wave(f"sum_x_{unit}", bits, Format(own, product.fraction))


def _preactivations(layer: QuantisedLayer, plan: EnginePlan, path: str, lanes: int) -> Iterator[Stage]:
    """Arguments of the gates; of a GRU's gate n both parts."""
    formats = layer.formats
    slots = formats.bias_slots
    if formats.kind == "linear":
        return
    if isinstance(formats, GruFormats):
        width = max(formats.preactivation.width, formats.inner.width)
    else:
        assert formats.preactivation is not None, "without a table there is no pre-activation"
        width = formats.preactivation.width
    waves = [Wave("pre_valid", f"{path}.probe_z_valid")]
    for unit in range(lanes):
        for number, slot in enumerate(slots):
            point = formats.product.fraction - formats.slot_shift(slot)
            bits = f"{path}.probe_z[{(unit * len(slots) + number) * width} +: {width}]"
            waves.append(Wave(f"pre_{slot}_{unit}", bits, Format(width, point)))
    yield Stage("pre-activations", tuple(waves))


def _gate_names(layer: QuantisedLayer) -> Sequence[str]:
    """Gates whose tables are read side by side, in the order of the lane's bits."""
    return {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z")}.get(layer.kind, ())


def _gate_flag(layer: QuantisedLayer, plan: EnginePlan, path: str) -> list[str]:
    """Whether gates leave their tables."""
    if not _gate_names(layer):
        return []
    return _delayed("gates_leave", f"{path}.probe_z_valid", plan.pipeline.table_stages)


def _activations(layer: QuantisedLayer, plan: EnginePlan, path: str, lanes: int) -> Iterator[Stage]:
    """Gates: sigmoids are unsigned and have a bit more behind the point than a tanh."""
    formats, names = layer.formats, _gate_names(layer)
    if not isinstance(formats, LstmFormats | GruFormats):
        return
    width = formats.gate_fraction + 1
    waves = [Wave("gates_valid", "gates_leave")]
    for unit in range(lanes):
        for number, gate in enumerate(names):
            is_tanh = gate == "g"
            bits = f"{path}.tail.lane[{unit}].unit.gate[{number * width} +: {width}]"
            waves.append(Wave(f"{gate}_{unit}", bits, Format(width, width - int(is_tanh), is_tanh)))
    yield Stage("gates", tuple(waves))


def _state(layer: QuantisedLayer, plan: EnginePlan, path: str, lanes: int) -> Iterator[Stage]:
    """The new cell state; of a GRU h as the unit remembers it."""
    formats = layer.formats
    if not isinstance(formats, LstmFormats | GruFormats):
        return
    kept = formats.c if isinstance(formats, LstmFormats) else formats.state
    waves = [Wave("c_valid", f"{path}.probe_c_valid")]
    waves += [Wave(f"c_{unit}", f"{path}.probe_c[{unit * kept.width} +: {kept.width}]", kept) for unit in range(lanes)]
    yield Stage("cell state", tuple(waves))


_COUNT_BITS = 32


def _places(plan: EnginePlan, path: str) -> list[str]:
    """Which step and units are at the output, counted there: units come in order, a tile's last group may be short."""
    units, rows, elements = plan.shape.units, plan.rows, plan.elements
    return [
        f"reg [{_COUNT_BITS - 1}:0] output_step = 0, output_unit = 0, output_tile = 0;",
        f"wire [{_COUNT_BITS - 1}:0] next_unit = output_unit + {elements};",
        f"wire tile_ends = next_unit >= output_tile + {rows};",
        f"wire step_ends = (tile_ends ? output_tile + {rows} : next_unit) >= {units};",
        "always @(posedge aclk)",
        f"    if (!{path.split('.')[0]}.aresetn) begin",
        "        output_step <= 0; output_unit <= 0; output_tile <= 0;",
        f"    end else if ({path}.probe_h_valid) begin",
        "        output_step <= output_step + {31'd0, step_ends};",
        f"        output_unit <= step_ends ? 0 : tile_ends ? output_tile + {rows} : next_unit;",
        f"        output_tile <= step_ends ? 0 : tile_ends ? output_tile + {rows} : output_tile;",
        "    end",
    ]


def _output(layer: QuantisedLayer, path: str, lanes: int) -> Iterator[Wave]:
    """The layer's results, of which step, and the first one's unit."""
    word, letter = layer.output_format, "h" if layer.weight_h is not None else "y"
    yield Wave("h_valid" if letter == "h" else "y_valid", f"{path}.probe_h_valid")
    yield Wave("step", "output_step", counts=_COUNT_BITS)
    yield Wave("unit", "output_unit", counts=_COUNT_BITS)
    for unit in range(lanes):
        yield Wave(f"{letter}_{unit}", f"{path}.probe_h[{unit * word.width} +: {word.width}]", word)

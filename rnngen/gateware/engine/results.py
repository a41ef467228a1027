"""The end of the element-wise path: words that are written, and what a simulation may look at."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal, Value

from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.groups import group_ahead
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.tails import TailSignals


def give_results(circuit: EngineCircuit, tail: TailSignals, groups: list[Signal]) -> None:
    """Builds the write of the group at the end of the element-wise path."""
    plan, end, result = circuit.plan, groups[-1], circuit.ports.result
    in_tile = plan.rows - (plan.groups - 1) * plan.elements
    in_last = plan.shape.units - (plan.tiles - 1) * plan.rows - (plan.last_groups - 1) * plan.elements
    count = Mux(end.step_end, in_last, Mux(end.tile_end, in_tile, plan.elements))
    circuit.m.d.comb += [
        result.enable.eq(end.valid),
        result.count.eq(count),
        result.last.eq(end.step_end),
        result.sequence_last.eq(end.sequence_last),
        result.stream.eq(end.stream),
        result.data.eq(tail.output),
    ]


def add_probes(circuit: EngineCircuit, sequencer: Sequencer, tail: TailSignals, groups: list[Signal]) -> None:
    """Wires that a simulation may look at; nothing in the circuit reads them.

    A ``..._valid`` probe tells that a group passes its point in this cycle.
    """
    timing, ahead = circuit.plan.tail, group_ahead(circuit.plan)
    points: dict[str, Value] = {"issue": sequencer.issue}
    points |= {"from_x": sequencer.from_x, "from_h": sequencer.from_h}
    points["sums_valid"] = groups[ahead].valid
    if len(tail.parts):
        points |= {"z_valid": groups[timing.narrow + ahead].valid, "z": tail.parts}
    if timing.state_write is not None:
        points |= {"c_valid": groups[timing.state_write + ahead].valid, "c": tail.state_new}
    points |= {"h_valid": groups[timing.output + ahead].valid, "h": tail.output}
    for name, value in points.items():
        probe = Signal(len(value), name=f"probe_{name}")
        circuit.m.d.comb += probe.eq(value)

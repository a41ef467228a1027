"""A layer's x on one device and its h on the next one: the bits of the whole layer, in the cycles of the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.emit.design import Design, read_design, write_design
from rnngen.emit.system import SystemDesign, read_system
from rnngen.emulate.network import run_values
from rnngen.errors import DataError, PlanError
from rnngen.flow import GenerateOptions, PartitionOptions, emulate, generate, partition, simulate, simulate_system
from rnngen.ir.layers import RecurrentLayer
from rnngen.passes.apart import cut_apart, halved
from rnngen.passes.quantise import quantise
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import BlockPlan
from rnngen.plan.schedule import settled_interval, with_buffers
from rnngen.plan.shapes import block_shapes
from tests.flow.test_gates_in_turn import Lanes
from tests.flow.test_rows import assert_as_planned, recurrent
from tests.random_networks import make_input, make_network

pytestmark = pytest.mark.verilator

APART = PartitionOptions(cut="x/h")


def in_a_row(devices: int, multipliers: int, word_bits: int = 64, latency: int = 6) -> System:
    made = [Device(f"d{number}", 10**8, multipliers) for number in range(devices)]
    return chain(made, Link("x", "y", word_bits, latency))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(recurrent("rnn", 9, 21), in_a_row(2, 24), tmp_path_factory.mktemp("pair") / "d", APART)


def test_a_pair_is_exact_in_bits_and_cycles(pair: SystemDesign) -> None:
    """21 * 21 products of h over 24 multipliers are 19 cycles, at least; those of x are done meanwhile."""
    assert pair.names == ("d0", "d1")
    assert pair.document["cut"] == "x/h"
    assert [design.quantised.layers[0].name for design in pair.designs] == ["l0.x", "l0"]
    assert [design.quantised.layers[0].macs for design in pair.designs] == [21 * 9, 21 * 21]
    assert_as_planned(pair, 9)


def test_the_devices_together_are_one_network(pair: SystemDesign, tmp_path: Path) -> None:
    """Several sequences, and bad lines: what is sent again changes no bit.  The device of h alone takes no x."""
    one = generate(recurrent("rnn", 9, 21), tmp_path / "one", GenerateOptions(multipliers=48))
    x = np.random.default_rng(2).uniform(-1.0, 1.0, (3, 5, 9))
    faults = {f"{way}_0_bit_errors": 2**32 // 1000 for way in ("line", "back")}
    back = read_system(pair.folder)
    report = simulate_system(back, x, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    expected = emulate(one, x)
    assert np.array_equal(one.quantised.output_format.to_float(report.output), expected.output)
    assert np.array_equal(emulate(back, x).output, expected.output)
    assert emulate(back, x).error == expected.error
    for run in (emulate, simulate):
        with pytest.raises(DataError, match="takes the sums of the x of layer 'l0', which another device multiplies"):
            run(back.designs[1], x)
    assert back.document == pair.document
    for part, written in zip(back.partition.parts, pair.partition.parts, strict=True):
        assert (part.blocks, part.plan, part.cut) == (written.blocks, written.plan, written.cut)
    assert back.partition.hops == pair.partition.hops


def test_a_long_run_over_bad_lines(tmp_path: Path) -> None:
    design = partition(recurrent("lstm", 24, 32), in_a_row(2, 64), tmp_path / "d", APART)
    faults = {f"{way}_0_bit_errors": 2**32 // 10_000 for way in ("line", "back")}
    report = simulate_system(design, steps=15, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] > report.schedule.parts[-1].outputs[-1][-1] + 100


@pytest.mark.parametrize(
    ("kind", "sizes", "multipliers", "word_bits", "latency"),
    [
        ("lstm", (24, 32), 64, 64, 6),  # the recurrence binds
        ("lstm", (40, 16), 100, 32, 3),  # frames bind: a value a word
        ("gru", (12, 24), 48, 32, 9),
        ("gru", (7, 13), 3, 64, 40),  # gates in turn
        ("rnn", (64, 20), 16, 64, 16),  # products of x bind
    ],
)
def test_any_cell(
    kind: str, sizes: tuple[int, int], multipliers: int, word_bits: int, latency: int, tmp_path: Path
) -> None:
    design = partition(recurrent(kind, *sizes), in_a_row(2, multipliers, word_bits, latency), tmp_path / "d", APART)
    assert design.names == ("d0", "d1")
    assert_as_planned(design, 7)


class Deep(torch.nn.Module):
    """A large layer between two small ones; a step of each sequence goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.GRU(6, 8, batch_first=True)
        self.two = torch.nn.LSTM(8, 24, batch_first=True)
        self.head = torch.nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.two(self.one(x)[0])[0][:, -1])


def test_a_layer_in_the_middle_of_a_network(tmp_path: Path) -> None:
    """On three devices, the layer before beside its x and the one behind beside its h."""
    torch.manual_seed(4)
    design = partition(Deep(), in_a_row(3, 40), tmp_path / "d", APART)
    assert design.partition.apart == (1,)
    layers = [[layer.name for layer in each.quantised.layers] for each in design.designs]
    assert len(layers) == 3
    assert [name for names in layers for name in names] == ["one.l0", "two.l0.x", "two.l0", "head"]
    x = np.random.default_rng(5).uniform(-1.0, 1.0, (4, 5, 6))
    report = simulate_system(read_system(design.folder), x)
    assert report.comparison.cycle_exact, report.comparison.sentence
    one = generate(Deep(), tmp_path / "one", GenerateOptions(multipliers=48))
    assert report.output.shape == emulate(one, x).output.shape


def test_two_layers_apart(tmp_path: Path) -> None:
    """A device in the middle has the h of one and the x of the other."""
    torch.manual_seed(6)
    model = torch.nn.LSTM(16, 16, num_layers=2, batch_first=True)
    devices = [Device(f"d{number}", 10**8, multipliers) for number, multipliers in enumerate((16, 40, 24))]
    system = chain(devices, Link("x", "y", 64, 6), Host("d0", "d2"))
    design = partition(model, system, tmp_path / "d", APART)
    names = [[layer.name for layer in each.quantised.layers] for each in design.designs]
    assert names == [["l0.x"], ["l0", "l1.x"], ["l1"]]
    assert_as_planned(design, 7)


def test_a_chain_weighs_it_unasked(tmp_path: Path) -> None:
    """One layer on two unlike devices, which cannot share its rows: 112 cycles whole on the larger one."""
    devices = [Device("small", 10**8, 40), Device("large", 10**8, 64)]
    design = partition(recurrent("lstm", 24, 32), chain(devices, Link("x", "y", 64, 6)), tmp_path / "d")
    assert design.document["cut"] == "x/h"
    assert design.names == ("small", "large")
    assert design.document["step_interval_ticks"] < 112
    assert design.document["others"][0]["step_interval_ticks"] == 112


@pytest.mark.parametrize(
    ("model", "change", "said"),
    [
        (torch.nn.LSTM(3, 4, bidirectional=True), {}, "layer 'l0' works on whole stored sequences"),
        (torch.nn.LSTM(3, 4, proj_size=2), {}, "layer 'l0.projection' has two stages (projected, factorised or "
                                               "grouped)"),
        (torch.nn.LSTM(3, 4), {"state_access": True}, "states are given to whole layers"),
        (torch.nn.LSTM(3, 4), {"loadable": True}, "sums that cross links have as many bits as these weights need, "
                                                  "so that no others can be loaded"),
    ],
)  # fmt: skip
def test_what_cannot_be(model: torch.nn.Module, change: dict[str, bool], said: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        partition(model, in_a_row(2, 16), tmp_path / "d", replace(APART, **change))
    assert str(error.value) == f"No layer can be cut by x/h: {said}."
    assert not (tmp_path / "d").exists()


def test_sums_wider_than_every_link(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"^No layer can be cut by x/h: .*no links as wide as a value"):
        partition(recurrent("gru", 8, 8), in_a_row(2, 16, 16), tmp_path / "d", APART)


# On one device


def on_one_device(
    folder: Path, cell: str, inputs: int, units: int, lanes: Lanes, x_lanes: tuple[int, int], slots: int
) -> Design:
    """Both halves, one behind the other; float layers that say the same.

    Args:
        x_lanes: Rows and columns of the engine of x.
        slots: Steps of the buffer between them, which then binds; 0: as many as the interval needs.
    """
    network = make_network(7, inputs, ((cell, units),))
    halves = halved(quantise(network, 8, 16), (0,))
    linear = cut_apart(network, halves, [range(1), range(1, 2)], ["x", "h"])[0].network.layers[0]
    (layer,) = network.layers
    assert isinstance(layer, RecurrentLayer)
    rows = len(layer.weight_hh)
    by_gate = np.eye(rows).reshape(units, len(layer.gates), rows).swapaxes(0, 1).reshape(rows, rows)
    reader = replace(layer, weight_ih=by_gate, bias_ih=np.zeros(rows), bias_hh=np.zeros(rows))
    blocks = tuple(replace(block, source=number) for number, block in enumerate(halves.blocks))
    x_shape, h_shape = (shape.layers[0] for shape in block_shapes(halves))
    engines = (
        EnginePlan(x_shape, *x_lanes, 1),
        EnginePlan(h_shape, lanes.rows, lanes.columns, lanes.elements, turns=lanes.turns),
    )
    plan = with_buffers([BlockPlan((BranchPlan(((engine,),)),)) for engine in engines], 1, lanes.elements)
    plan = plan.with_slots(1, slots) if slots else plan
    design = write_design(
        folder, replace(network, layers=(linear, reader)), replace(halves, blocks=blocks), plan, top="net",
        clock_hz=10**8, board=None,
    )  # fmt: skip
    assert read_design(folder).plan == plan
    assert not slots or settled_interval(plan) > plan.interval
    return design


@pytest.mark.parametrize(
    ("cell", "inputs", "units", "lanes", "x_lanes", "slots"),
    [
        ("lstm", 2, 9, Lanes(1, 4, 3, 2), (3, 2), 0),  # three tiles, the last one of a unit
        ("lstm", 4, 10, Lanes(4, 6, 5, 3), (3, 2), 0),  # a gate at a time
        ("lstm", 3, 7, Lanes(2, 7, 2, 2), (3, 2), 0),  # one tile, whose last group is not full
        ("gru", 5, 8, Lanes(1, 4, 2, 1), (3, 2), 0),
        ("gru", 3, 7, Lanes(3, 3, 7, 3), (3, 2), 0),
        ("rnn_tanh", 6, 12, Lanes(1, 6, 4, 2), (1, 3), 2),  # two steps between them are too few
        ("rnn_relu", 3, 5, Lanes(1, 5, 5, 5), (3, 2), 0),  # all of h in a cycle
    ],
)
def test_one_device(
    cell: str, inputs: int, units: int, lanes: Lanes, x_lanes: tuple[int, int], slots: int, tmp_path: Path
) -> None:
    design = on_one_device(tmp_path / "d", cell, inputs, units, lanes, x_lanes, slots)
    x = make_input(design.network, 3, 3, 5)
    report = simulate(design.folder, x)
    assert report.comparison.cycle_exact, report.comparison.sentence
    network = make_network(7, inputs, ((cell, units),))
    assert np.array_equal(run_values(quantise(network, 8, 16), x).output, run_values(design.quantised, x).output)

"""A layer by rows whose devices give each other what changed of h: the bits of all of h, or those told with a limit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rnngen.emit.system import SystemDesign
from rnngen.emulate.network import run_values
from rnngen.errors import PlanError
from rnngen.flow.emulate import emulate
from rnngen.flow.partition import PartitionOptions, partition, read_system
from rnngen.flow.simulate_system import SystemReport, simulate_system
from rnngen.ir.quantised import QuantisedNetwork
from tests.flow.test_rows import assert_as_one_device, mesh, recurrent

EXACT = PartitionOptions(cut="rows", delta=0.0)


def checked(design: SystemDesign, x: object = None, steps: int | None = 12) -> SystemReport:
    """In every bit, and no output later than planned."""
    report = simulate_system(read_system(design.folder), x, steps=None if x is not None else steps)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.comparison.within_bounds
    return report


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(recurrent("lstm", 5, 12), mesh(2, 16), tmp_path_factory.mktemp("pair") / "d", EXACT)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    options = replace(EXACT, delta=0.05)
    return partition(recurrent("lstm", 5, 12), mesh(2, 16), tmp_path_factory.mktemp("coarse") / "d", options)


def test_what_is_written(coarse: SystemDesign) -> None:
    """h has 16 bits, 15 of them behind the point: a twentieth is 1638 of the last place, rounded down."""
    assert coarse.document["delta"] == str(Fraction(0.05))
    assert [device["delta"] for device in coarse.document["devices"]] == [1638, 1638]
    assert coarse.document["latency_is"] == "bound"
    (part,) = read_system(coarse.folder).partition.parts
    assert part.delta == 1638
    assert part.exchange is not None
    assert part.exchange.frame.words == 1 + 2  # 6 values a device: a word of bits, and 2 of 3 values


def without(network: QuantisedNetwork) -> QuantisedNetwork:
    """The same network, whose devices give each other all of h."""
    return replace(network, blocks=tuple(replace(block, delta=None) for block in network.blocks))


def test_devices_that_give_nothing_are_layers_of_their_own(tmp_path: Path) -> None:
    """No change is above a limit of 4: what is left is the layer without the weights from other devices' h."""
    network = partition(recurrent("lstm", 5, 12), mesh(3, 16), tmp_path / "d", replace(EXACT, delta=4.0)).quantised
    (layer,) = network.layers
    assert layer.weight_h is not None
    units = np.arange(12) // 4
    own = np.tile(units, 4)[:, None] == units[None, :]
    apart = replace(without(network), layers=(replace(layer, weight_h=layer.weight_h * own),))
    x = np.random.default_rng(3).uniform(-1.0, 1.0, (4, 15, 5))
    assert np.array_equal(run_values(network, x).output, run_values(apart, x).output)


def test_a_limit_of_nothing_changes_nothing(pair: SystemDesign) -> None:
    x = np.random.default_rng(4).uniform(-1.0, 1.0, (3, 20, 5))
    network = pair.quantised
    assert network.blocks[0].delta is not None
    plain = without(network)
    for values in (x, np.repeat(x[:, :4], 5, axis=1)):
        one, other = (run_values(each, values, keep_traces=True) for each in (network, plain))
        assert np.array_equal(one.output, other.output)
        assert one.saturations == other.saturations
        for key in other.traces[0]:
            assert np.array_equal(one.traces[0][key], other.traces[0][key]), key
        for key in other.states[0]:
            assert np.array_equal(one.states[0][key], other.states[0][key]), key


def test_what_is_refused(tmp_path: Path) -> None:
    model = recurrent("lstm", 5, 12)
    with pytest.raises(PlanError, match="--delta is for layers by their rows: give --cut rows, too, not auto"):
        partition(model, mesh(2, 16), tmp_path / "d", PartitionOptions(delta=0.0))
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(PlanError, match="--delta must be at least 0, not"):
            partition(model, mesh(2, 16), tmp_path / "d", replace(EXACT, delta=wrong))
    assert not (tmp_path / "d").exists()


# In Verilator


@pytest.mark.verilator
def test_exact_in_bits_and_no_later(pair: SystemDesign) -> None:
    checked(pair)


@pytest.mark.verilator
def test_the_devices_together_are_one_network(pair: SystemDesign, tmp_path: Path) -> None:
    assert_as_one_device(pair, recurrent("lstm", 5, 12), tmp_path / "one")


@pytest.mark.verilator
def test_a_limit_is_kept(coarse: SystemDesign) -> None:
    """Other bits than those of all of h, and those of the emulator."""
    x = np.repeat(np.random.default_rng(4).uniform(-1.0, 1.0, (2, 6, 5)), 4, axis=1)
    report = checked(coarse, x)
    assert np.array_equal(coarse.quantised.output_format.to_float(report.output), emulate(coarse.folder, x).output)
    assert not np.array_equal(run_values(without(coarse.quantised), x).output, report.output)


@pytest.mark.verilator
@pytest.mark.parametrize(("kind", "devices", "delta"), [("gru", 3, 0.0), ("gru", 2, 0.1), ("rnn", 4, 0.02)])
def test_any_cell_over_any_number(kind: str, devices: int, delta: float, tmp_path: Path) -> None:
    design = partition(recurrent(kind, 7, 24), mesh(devices, 12), tmp_path / "d", replace(EXACT, delta=delta))
    checked(design)


@pytest.mark.verilator
def test_bad_lines_change_no_bit(coarse: SystemDesign) -> None:
    faults = {f"{way}_0_bit_errors": 2**32 // 1000 for way in ("line", "back")}
    assert simulate_system(coarse, steps=40, faults=faults).comparison.bit_exact


@pytest.mark.verilator
def test_a_narrow_link_is_waited_for_less(tmp_path: Path) -> None:
    """A constant input: h comes to rest, no value crosses any more, and no step waits for 32 words."""
    model = recurrent("lstm", 4, 64)
    x = np.repeat(np.random.default_rng(1).uniform(-1.0, 1.0, (1, 1, 4)), 120, axis=1)
    system = mesh(2, 1024, word_bits=16)
    whole = partition(model, system, tmp_path / "whole", PartitionOptions(cut="rows"))
    changed = partition(model, system, tmp_path / "changed", EXACT)
    one, other = simulate_system(whole, x), checked(changed, x)
    assert np.array_equal(one.output, other.output)
    assert one.times.step_interval is not None
    assert other.times.step_interval is not None
    assert other.times.step_interval < one.times.step_interval / 1.3

"""A Linear layer over devices by its inputs, whose sums one of them adds: exact in bits and in planned cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.config.system import Device, Host, Link, System
from rnngen.emit.system import SystemDesign
from rnngen.errors import PlanError
from rnngen.flow.partition import PartitionOptions, partition
from rnngen.flow.report import report
from rnngen.flow.simulate_system import simulate_system
from tests.flow.test_rows import assert_as_one_device, assert_as_planned, mesh

INPUTS = PartitionOptions(cut="inputs")

FUNCTIONS = {"none": torch.nn.Identity, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}


class Headed(torch.nn.Module):
    """A recurrent layer, a Linear one, and what follows it."""

    def __init__(self, hidden: int, outputs: int, function: str = "none", behind: int = 0) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.rnn = torch.nn.GRU(5, hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, outputs)
        self.function = FUNCTIONS[function]()
        self.behind = torch.nn.LSTM(outputs, behind, batch_first=True) if behind else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.function(self.head(self.rnn(x)[0]))
        return y if self.behind is None else self.behind(y)[0]


class Fronted(torch.nn.Module):
    """A Linear layer in front of a recurrent one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.front, self.rnn = torch.nn.Linear(36, 8), torch.nn.RNN(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.rnn(torch.tanh(self.front(x)))[0]
        return y


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(Headed(24, 10), mesh(3, 16), tmp_path_factory.mktemp("head") / "d", INPUTS)


def test_a_head_is_exact_in_bits_and_cycles(head: SystemDesign) -> None:
    """Its 24 * 10 products are on two devices of 16 multipliers: 8 cycles at least, and the GRU on one binds."""
    assert [part.names for part in head.partition.parts] == [("d2",), ("d0", "d1")]
    assert head.document["cut"] == "inputs"
    assert [device.get("inputs") for device in head.document["devices"]] == [None, [0, 11], [12, 23]]
    join = head.partition.parts[1].plan.join
    assert join is not None
    assert (join.others, join.words, join.slots) == (1, 2, 2)  # a step is there long before the next one
    assert head.document["host"] == {"input": ["d2"], "output": ["d0"]}
    assert {(link["from"], link["to"]) for link in head.document["links"]} == {("d2", "d0"), ("d2", "d1"), ("d1", "d0")}
    assert_as_planned(head, 9)


def test_what_the_report_shows(head: SystemDesign) -> None:
    page = report(head).read_text(encoding="utf-8")
    for said in ("inputs 0–11 of head", "inputs 12–23 of head", "The link to the first device of a layer: 64-bit"):
        assert said in page


def test_the_devices_together_are_one_network(head: SystemDesign, tmp_path: Path) -> None:
    assert_as_one_device(head, Headed(24, 10), tmp_path / "one")


def test_bad_lines_change_no_bit(head: SystemDesign) -> None:
    faults = {f"{way}_{k}_bit_errors": 2**32 // 1000 for way in ("line", "back") for k in range(3)}
    found = simulate_system(head, steps=40, faults=faults)
    assert found.comparison.bit_exact, found.comparison.sentence
    late = found.run.out_cycle - np.array(found.schedule.outputs).ravel()
    assert late.max() > 50  # some frames were sent again, though not always the last one


def test_a_dead_direction_gives_nothing_wrong(head: SystemDesign) -> None:
    """The line on which the sums cross."""
    found = simulate_system(head, steps=6, faults={"line_2_cut": [(500, 1)]})
    assert not found.run.complete
    assert not found.comparison.mismatches
    assert all(cycle is not None for cycle in found.failed)


def test_each_device_in_a_simulation_of_its_own(head: SystemDesign) -> None:
    together, apart = (simulate_system(head, steps=9, apart=apart) for apart in (False, True))
    assert apart.comparison.cycle_exact, apart.comparison.sentence
    assert together.run.out_cycle.tolist() == apart.run.out_cycle.tolist()


@pytest.mark.parametrize(
    ("sizes", "function", "devices", "multipliers", "word_bits", "latency"),
    [
        ((24, 7, 0), "relu", 3, 40, 32, 3),  # a sum a word; an odd number of them
        ((16, 64, 8), "tanh", 2, 96, 64, 90),  # far apart: many steps wait for the others
        ((32, 6, 12), "sigmoid", 4, 24, 32, 6),
        ((30, 96, 0), "none", 2, 128, 64, 12),  # 48 words of sums take longer than their products
    ],
)
def test_any_function_over_any_number(
    sizes: tuple[int, int, int], function: str, devices: int, multipliers: int, word_bits: int, latency: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    hidden, outputs, behind = sizes
    model = Headed(hidden, outputs, function, behind)
    system = mesh(devices + 1 + (behind > 0), multipliers, word_bits, latency)
    design = partition(model, system, tmp_path / "d", INPUTS)
    assert any(len(part.names) > 1 for part in design.partition.parts)
    assert_as_planned(design, 12)
    assert_as_one_device(design, model, tmp_path / "one")


def test_the_host_gives_to_all(tmp_path: Path) -> None:
    """The layer is the first one, and as fast as the multipliers of three devices: 36 * 8 / (3 * 4) cycles.

    Sums are on their way for 90 cycles and more, so that those of five steps wait for them.
    """
    model = Fronted()
    design = partition(model, mesh(4, 4, latency=90), tmp_path / "d", INPUTS)
    assert design.document["step_interval_ticks"] == 24
    (join,) = (part.plan.join for part in design.partition.parts if part.plan.join)
    assert join.slots >= 5
    assert design.document["host"] == {"input": ["d0", "d1", "d2"], "output": ["d3"]}
    assert_as_planned(design, 9)
    assert_as_one_device(design, model, tmp_path / "one")


def star(latency: int = 6) -> System:
    """A chain of a device for the GRU, and two behind it of which one alone is linked to what is behind them."""
    names = ("a", "b", "c", "d")
    pairs = [("a", "b"), ("a", "c"), ("c", "b"), ("b", "d")]
    links = tuple(Link(one, other, 64, latency, both=False) for one, other in pairs)
    return System(tuple(Device(name, 10**8, 16) for name in names), links, Host("a", "d"))


def test_another_clock_in_front(tmp_path: Path) -> None:
    """The GRU is on a device of 75 MHz: a tick is a third of a cycle of the others, and times are bounds."""
    two = mesh(2, 16)
    links = (*two.links, Link("d2", "d0", 64, 6), Link("d2", "d1", 64, 6))
    system = System((*two.devices, Device("d2", 75_000_000, 40)), links)
    design = partition(Headed(24, 10), system, tmp_path / "d", INPUTS)
    assert design.names == ("d2", "d0", "d1")
    found = simulate_system(design, steps=9)
    assert found.comparison.bit_exact, found.comparison.sentence
    assert found.comparison.within_bounds


def test_links_that_lead_to_one_device_alone(tmp_path: Path) -> None:
    design = partition(Headed(24, 10, "relu", 4), star(), tmp_path / "d", INPUTS)
    assert [part.names for part in design.partition.parts] == [("a",), ("b", "c"), ("d",)]
    assert_as_planned(design, 9)


def test_refusals(tmp_path: Path) -> None:
    rnn, folder = torch.nn.GRU(4, 8, batch_first=True), tmp_path / "d"
    with pytest.raises(PlanError, match=r"^No layer can be cut by inputs: the network has no Linear layer\.$"):
        partition(rnn, mesh(3, 8), folder, INPUTS)
    said = "layer 'head' is no Linear layer whose inputs are cut into [23] equal parts"
    with pytest.raises(PlanError, match=said):
        partition(Headed(11, 4), mesh(3, 8), folder, INPUTS)
    said = "equal links, as wide as a sum, must lead from all but one of its devices, which are alike, to that one"
    with pytest.raises(PlanError, match=said):
        partition(Headed(12, 4), mesh(3, 8, word_bits=16), folder, INPUTS)
    assert not folder.exists()

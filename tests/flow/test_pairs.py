"""Whole cores with two products in a multiplier: the array's circuit, not its model, against the emulator."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from rnngen.emit.design import Design, read_design
from rnngen.errors import PlanError
from rnngen.flow import GenerateOptions, generate, report, simulate
from rnngen.resources import templates_dir


@pytest.fixture
def lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Designs whose simulation runs what synthesis takes."""
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    array = folder / "rnn_mac_array.v"
    array.write_text(f"`define RNN_MAC_LANES\n{array.read_text()}`undef RNN_MAC_LANES\n")
    monkeypatch.setattr("rnngen.emit.design.templates_dir", lambda: folder)


def model(cell: str, inputs: int, units: int) -> torch.nn.Module:
    torch.manual_seed(units)
    return getattr(torch.nn, cell)(inputs, units)


def options(**given: object) -> GenerateOptions:
    return GenerateOptions(**{"weight_bits": 8, "activation_bits": 8, **given})


def pair_width(top: str) -> int:
    """Bits of the wide operand in the Verilog of an engine; 0: one product in a multiplier."""
    (found,) = re.findall(r"\.PAIR_WIDTH\(32'd(\d+)\)", top)
    return int(found)


CASES = {
    "an LSTM on a 25 x 18 DSP": ("LSTM", 5, 9, {"dsp": "dsp48e1", "lanes": (4, 3, 2)}),
    "a GRU with an odd row on a 27 x 18 DSP": ("GRU", 6, 9, {"dsp": "dsp48e2", "lanes": (3, 5, 3)}),
    "an LSTM of 4-bit weights on an 18 x 18 one": ("LSTM", 5, 6, {"dsp": "ecp5", "dsps": 60, "weight_bits": 4}),
    "all in one word": ("LSTM", 3, 4, {"dsp": "dsp48e1", "multipliers": 112, "pipeline": "shortest"}),
    "registers left out": ("GRU", 4, 5, {"dsp": "dsp48e2", "lanes": (3, 3, 4), "pipeline": "shortest"}),
}


@pytest.mark.verilator
@pytest.mark.parametrize(("cell", "inputs", "units", "given"), CASES.values(), ids=CASES.keys())
def test_circuit_equals_emulator(
    tmp_path: Path, lanes: None, cell: str, inputs: int, units: int, given: dict[str, object]
) -> None:
    design = generate(model(cell, inputs, units), tmp_path / "d", options(**given))
    assert all(engine.shape.pair_width for engine in design.plan.engines)
    assert design.plan.array_dsps < design.plan.multipliers
    top = (design.folder / "rtl" / f"{design.top}.v").read_text()
    assert pair_width(top) == {"dsp48e1": 25, "dsp48e2": 27, "ecp5": 18}[str(given["dsp"])]
    result = simulate(design, steps=6)
    assert result.comparison.cycle_exact, result.comparison.first
    assert result.figures["step_interval_cycles"] == design.plan.interval


def document(design: Design) -> dict[str, object]:
    """design.json as it was written."""
    return json.loads((design.folder / "design.json").read_text())


def test_the_design_counts_multipliers_and_dsps_apart(tmp_path: Path) -> None:
    """4 gates x 2 x 3 lanes: 24 multipliers in 12 blocks; two element-wise lanes of 8 each."""
    design = generate(model("LSTM", 6, 8), tmp_path / "d", options(dsp="dsp48e1", lanes=(4, 2, 3)))
    written = document(design)
    assert written["multipliers"] == 24
    counted = {"arrays": 12, "elements": 8 * design.plan.engines[0].elements}
    assert written["dsp"] == {"kind": "dsp48e1", "wide_bits": 25, "narrow_bits": 18, **counted}
    assert read_design(design.folder).plan == design.plan
    page = report(design.folder).read_text()
    assert "Two products in a DSP: weights of 8 bits" in page
    assert "DSP blocks of the multipliers" in page


def test_widths_that_do_not_fit_are_named(tmp_path: Path) -> None:
    design = generate(model("LSTM", 6, 8), tmp_path / "d", options(dsp="dsp48e1", multipliers=24, activation_bits=12))
    assert design.document["dsp"]["arrays"] == design.plan.multipliers
    sentence = design.document["layers"][0]["pairing"]
    assert sentence.startswith("One product in a DSP: two, of weights of 8 bits beside operands of 1")
    assert pair_width((design.folder / "rtl" / f"{design.top}.v").read_text()) == 0


def test_a_board_knows_its_dsps(tmp_path: Path) -> None:
    design = generate(model("LSTM", 64, 64), tmp_path / "d", options(weight_bits=4, board="ulx3s-85f"))
    dsp = design.document["dsp"]
    assert (dsp["kind"], dsp["arrays"]) == ("ecp5", design.plan.multipliers // 2)
    assert 128 < design.plan.multipliers <= 256
    assert dsp["arrays"] + dsp["elements"] <= 140


def test_a_design_for_no_device_says_nothing_of_dsps(tmp_path: Path) -> None:
    design = generate(model("LSTM", 6, 8), tmp_path / "d", options(multipliers=24))
    assert "dsp" not in design.document
    assert "pairing" not in design.document["layers"][0]
    assert design.document["multiplier"] == "generic"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"dsp": "dsp58", "multipliers": 8}, r"^--dsp must be one of ecp5, ice40, gowin, dsp48.*, not dsp58\.$"),
        ({"dsp": "dsp48e1"}, r"^A board has DSP blocks of its own, so --dsp must not be given beside one"),
        ({"dsps": 0}, r"^--dsps must be at least 1, not 0\.$"),
        ({"dsps": 9, "multipliers": 8}, r"^Give only one of --board, --multipliers, --dsps and --lanes, not m"),
        ({"dsps": 8, "dsp": "ecp5"}, r"^The network needs at least 9 DSP blocks and the budget has 8; raise --dsps"),
    ],
)
def test_what_is_refused(tmp_path: Path, given: dict[str, object], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        generate(model("LSTM", 3, 4), tmp_path / "d", options(weight_bits=4, **given))

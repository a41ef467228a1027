"""Sparse layers: the circuit multiplies non-zeros only, and gives the emulator's bits in the cycles of the law.

A few of the cases run each time, all of them with RNNGEN_CIRCUITS set (``make regress``).
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.cli.main import main
from rnngen.emit.design import read_design
from rnngen.errors import ModelError, PlanError
from rnngen.flow import FitOptions, GenerateOptions, emulate, generate, simulate
from rnngen.passes.prune import bank_mask
from rnngen.resources import templates_dir


def pruned(cell: str, inputs: int, units: int, banks: int, kept: tuple[int, int], shared: int = 1) -> torch.nn.Module:
    """A layer with so many non-zeros in each bank of W_ih and W_hh; -1: dense."""
    torch.manual_seed(inputs + units)
    layer = getattr(torch.nn, cell)(inputs, units, batch_first=True)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[cell]
    with torch.no_grad():
        for name, number in zip(("weight_ih_l0", "weight_hh_l0"), kept):
            weights = getattr(layer, name)
            if number >= 0:
                mask = bank_mask(weights.numpy().astype(np.float64), banks, number, shared, gates)
                weights *= torch.from_numpy(mask.mask.copy())
    return layer


def options(banks: int, shared: int = 1, **given: object) -> GenerateOptions:
    return GenerateOptions(**{"banks": FitOptions(banks, shared), "multipliers": 64, **given})


CASES: dict[str, tuple[str, int, int, int, tuple[int, int], int, dict[str, object]]] = {
    "a law without a bubble": ("LSTM", 8, 16, 4, (1, 2), 1, {"multipliers": 16}),
    "x first, E lanes": ("LSTM", 8, 16, 4, (1, 2), 2, {"pipeline": "deep"}),
    "three gates, shared rows": ("GRU", 9, 16, 4, (1, 2), 4, {"multipliers": 48}),
    "gates in turn": ("LSTM", 8, 16, 4, (1, 1), 1, {"multipliers": 8}),
    "a GRU's gates in turn": ("GRU", 8, 12, 4, (1, 2), 1, {"multipliers": 8}),
    "dense x": ("LSTM", 7, 12, 3, (-1, 2), 3, {"multipliers": 36}),
    "dense h": ("RNN", 8, 10, 4, (1, -1), 1, {"multipliers": 8}),
    "one bank": ("LSTM", 5, 6, 1, (2, 3), 1, {"multipliers": 4}),
    "a place a bank": ("LSTM", 4, 8, 4, (1, 1), 1, {"multipliers": 32}),
    "no non-zero of x": ("LSTM", 8, 8, 4, (0, 1), 1, {"multipliers": 16}),
    "few registers": ("LSTM", 8, 16, 8, (1, 1), 2, {"multipliers": 128, "pipeline": "shortest"}),
    "h before x": ("LSTM", 8, 16, 4, (1, 2), 2, {"multipliers": 32, "spaced": True}),
    "places read again": ("LSTM", 8, 18, 4, (1, 2), 4, {"multipliers": 16}),
    "places of gates in turn read again": ("GRU", 8, 12, 4, (1, 2), 4, {"multipliers": 8}),
    "places of h read again before x": ("LSTM", 8, 20, 4, (1, 2), 8, {"multipliers": 32, "spaced": True}),
    "streams": ("LSTM", 8, 16, 4, (1, 2), 2, {"multipliers": 32, "streams": 3}),
}


QUICK = (
    "three gates, shared rows", "gates in turn", "dense x", "no non-zero of x", "places read again",
    "places of h read again before x", "streams",
)  # fmt: skip
CHOSEN = CASES if "RNNGEN_CIRCUITS" in os.environ else {name: CASES[name] for name in QUICK}


@pytest.mark.verilator
@pytest.mark.parametrize(("cell", "inputs", "units", "banks", "kept", "shared", "given"), CHOSEN.values(), ids=CHOSEN)
def test_circuit_equals_emulator(
    tmp_path: Path, cell: str, inputs: int, units: int, banks: int, kept: tuple[int, int], shared: int,
    given: dict[str, object],
) -> None:  # fmt: skip
    model = pruned(cell, inputs, units, banks, kept, shared)
    design = generate(model, tmp_path / "d", options(banks, shared, **given))
    (engine,) = design.plan.engines
    assert engine.columns == banks
    words = (max(1, kept[0]) if kept[0] >= 0 else -(-inputs // banks), kept[1] if kept[1] >= 0 else -(-units // banks))
    assert (engine.x_words, engine.h_words) == words
    x = np.random.default_rng(3).uniform(-1.0, 1.0, (4, 6, inputs))
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.first
    # The values are those of the dense engine, whose zeros are multiplied.
    dense = generate(model, tmp_path / "dense", GenerateOptions(multipliers=64))
    assert np.array_equal(result.output, emulate(dense, x).output)



@pytest.mark.parametrize(("rows", "interval"), [(1, 96), (2, 48)])
def test_step_interval_by_hand(tmp_path: Path, rows: int, interval: int) -> None:
    model = pruned("LSTM", 8, 32, 4, (1, 2))
    design = generate(model, tmp_path / "d", options(4, multipliers=16 * rows, pipeline="least"))
    assert design.plan.interval == interval
    assert design.plan.utilisation == 1.0
    assert design.plan.macs == 4 * 32 * (4 * 1 + 4 * 2)


def test_a_published_size_is_planned_without_a_bubble(tmp_path: Path) -> None:
    """LSTM 153/1024 at 64 rows of 64 banks: 64 tiles of (1 + 2) cycles; the dense engine needs at least 1,177."""
    model = pruned("LSTM", 153, 1024, 64, (1, 2))
    design = generate(model, tmp_path / "d", options(64, multipliers=4096))
    assert design.plan.interval == 64 * 3
    assert design.plan.utilisation == 1.0


def test_design_is_read_back(tmp_path: Path) -> None:
    design = generate(pruned("LSTM", 8, 16, 4, (1, 2), 2), tmp_path / "d", options(4, 2))
    again = read_design(tmp_path / "d")
    assert again.plan == design.plan
    masks = design.document["layers"][0]["masks"]
    assert (masks["mask_h"]["kept"], masks["mask_h"]["shared_rows"], masks["mask_h"]["index_bits"]) == (2, 2, 2)
    bits = design.document["layers"][0]["memory_bits"]
    engine = design.plan.engines[0]
    assert bits["indices"] == engine.words * engine.rows // 2 * 4 * 4 * 2
    assert bits["weights"] == engine.words * engine.multipliers * 8


@pytest.mark.parametrize("multipliers", [16, 32, 128])
def test_rows_with_one_set_of_places_share_their_memory(tmp_path: Path, multipliers: int) -> None:
    """log2(bank length) bits a non-zero, divided by N, however many of the N rows are multiplied at once."""
    non_zeros = 4 * 32 * 4 * (1 + 2)
    for shared in (1, 2, 4, 8):
        folder = tmp_path / str(shared)
        model = pruned("LSTM", 8, 32, 4, (1, 2), shared)
        design = generate(model, folder, options(4, shared, multipliers=multipliers))
        bits = design.document["layers"][0]["memory_bits"]["indices"]
        assert bits == non_zeros * 3 // shared  # 32 / 4 words of h in a bank
        images = {what: folder / "rtl" / f"engine0_{what}.hex" for what in ("weights", "places")}
        rows = multipliers // 16
        assert images["places"].exists() == (rows < shared)
        held = {what: (len(text := image.read_text().split()) * 4 * len(text[0])) for what, image in images.items()
                if image.exists()}  # fmt: skip
        assert sum(held.values()) == non_zeros * 8 + bits


@pytest.mark.verilator
def test_a_wrong_place_is_seen(tmp_path: Path) -> None:
    design = generate(pruned("LSTM", 8, 16, 4, (1, 2)), tmp_path / "d", options(4))
    image = tmp_path / "d" / "rtl" / "engine0_weights.hex"
    words = image.read_text().split("\n")
    words[-2] = f"{int(words[-2][0], 16) ^ 1:x}{words[-2][1:]}"  # a bit of the last place of the last word
    image.write_text("\n".join(words))
    x = np.random.default_rng(3).uniform(-1.0, 1.0, (2, 6, 8))
    assert not simulate(design, x).comparison.bit_exact


@pytest.mark.verilator
def test_the_circuit_of_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the model of memories, operands and array that simulations take else."""
    folder = tmp_path / "leaves"
    shutil.copytree(templates_dir(), folder)
    array = folder / "rnn_banked_array.v"
    array.write_text("`define RNN_MAC_LANES\n" + array.read_text())
    (folder / "rnn_banked_model.v").unlink()
    monkeypatch.setattr("rnngen.emit.design.templates_dir", lambda: folder)
    design = generate(pruned("GRU", 8, 12, 4, (1, 2), 2), tmp_path / "d", options(4, 2, multipliers=24))
    assert simulate(design, steps=6).comparison.cycle_exact


def test_what_cannot_be_sparse_is_named(tmp_path: Path) -> None:
    dense = torch.nn.LSTM(8, 16)
    for model, given, sentence in (
        (dense, options(4), "No weight of network '.*' is 0, so it has no banks"),
        (pruned("LSTM", 8, 16, 4, (1, 2)), options(8), "does not fit"),
        (pruned("LSTM", 8, 16, 4, (1, 2)), options(4, weights="external"), "--weights external reads dense rows only"),
        (pruned("LSTM", 8, 16, 4, (1, 2)), options(4, state_access=True), "no h can be given or read"),
        (pruned("LSTM", 8, 16, 4, (1, 2)), options(4, fold=True), "are sparse, each with columns of its own"),
        (pruned("LSTM", 8, 16, 4, (1, 2)), options(4, multipliers=None, lanes=(4, 2, 3)), "must be 4, not 3"),
    ):
        with pytest.raises((ModelError, PlanError), match=sentence):
            generate(model, tmp_path / "d", given)
        assert not (tmp_path / "d").exists()


def test_directions_are_pruned_alike(tmp_path: Path) -> None:
    both = torch.nn.LSTM(8, 8, bidirectional=True)
    with torch.no_grad():
        for name, kept in (("weight_ih_l0", 1), ("weight_ih_l0_reverse", 2)):
            weights = getattr(both, name)
            weights *= torch.from_numpy(bank_mask(weights.numpy().astype(np.float64), 4, kept, 1, 4).mask.copy())
    sentence = "have 1 and 2 non-zeros of x and h in a bank and no zeros that are left out"
    with pytest.raises(PlanError, match=sentence):
        generate(both, tmp_path / "d", options(4))


@pytest.mark.verilator
def test_a_sparse_head_and_a_dense_matrix_from_the_command_line(tmp_path: Path) -> None:
    """The head, which is named, is sparse; W_ih has zeros, but is named as dense."""
    layer, head = pruned("RNN", 8, 12, 4, (1, 1)), torch.nn.Linear(12, 6)
    with torch.no_grad():
        mask = bank_mask(head.weight.numpy().astype(np.float64), 4, 2, 1, 1)
        head.weight *= torch.from_numpy(mask.mask.copy())
    state = {f"rnn.{name}": value for name, value in layer.state_dict().items()}
    path = tmp_path / "m.pt"
    torch.save(state | {f"fc.{name}": value for name, value in head.state_dict().items()}, path)
    command = ["generate", str(path), "-o", str(tmp_path / "d"), "--select", "rnn", "--head", "fc", "--banks", "4"]
    command += ["--nonlinearity", "tanh", "--output", "sequence", "--multipliers", "12", "--no-fold"]
    assert main([*command, "--linear", "fc", "--dense", "rnn.l0.weight_ih"]) == 0
    design = read_design(tmp_path / "d")
    rnn, fc = (engine.shape for engine in design.plan.engines)
    assert rnn.banked is not None
    assert fc.banked is not None
    assert (rnn.banked.kept_x, rnn.banked.kept_h, fc.banked.kept_x) == (2, 1, 2)
    assert (rnn.macs, fc.macs) == (12 * (8 + 4 * 1), 6 * 4 * 2)
    assert simulate(design, steps=6).comparison.cycle_exact


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.pt"
    torch.save(pruned("LSTM", 8, 32, 4, (1, 2)).state_dict(), path)
    common = ["generate", str(path), "-o", str(tmp_path / "d"), "--multipliers", "16"]
    assert main([*common, "--pad"]) == 2
    assert re.search("give --banks with them", capsys.readouterr().err)
    assert main([*common, "--banks", "4"]) == 0
    assert read_design(tmp_path / "d").plan.interval == 96


@pytest.mark.parametrize("given", [{"dsp": "ecp5"}, {"dsp": "ecp5", "streams": 3}, {}])
def test_banks_of_vectors_are_made_of_what_the_plan_says(tmp_path: Path, given: dict[str, object]) -> None:
    """Words by hand: h has an old and a new vector of 16 / 4 words a stream; x as many slots as the engine has."""
    design = generate(pruned("LSTM", 4, 16, 4, (1, 2), 2), tmp_path / "d", options(4, 2, multipliers=32, **given))
    (engine,) = design.plan.engines
    banks = design.document["layers"][0]["vector_banks"]
    streams, known = int(str(given.get("streams", 1))), bool(given)
    assert banks["h"]["words"] == 2 * 4 * streams
    assert banks["x"]["words"] == engine.input_slots
    assert banks["h"]["reads"] == banks["h"]["copies"] == engine.index_sets == 4
    assert banks["h"]["style"] == ("distributed" if known else "auto")
    verilog = (tmp_path / "d" / "rtl" / f"{design.top}.v").read_text()
    for name in ("X", "H"):
        bank = banks[name.lower()]
        assert f'.{name}_STYLE("{bank["style"]}")' in verilog
        assert int(re.findall(rf"\.{name}_DEPTH\(32'd(\d+)\)", verilog)[0]) == bank["words"]


def test_banks_of_stored_sequences(tmp_path: Path) -> None:
    """Two sequences of up to 5 steps of 8 / 4 words, in both directions."""
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for weights in (weights for name, weights in model.named_parameters() if name.startswith("weight")):
            mask = bank_mask(weights.numpy().astype(np.float64), 4, 1, 1, 4)
            weights *= torch.from_numpy(mask.mask.copy())
    design = generate(model, tmp_path / "d", options(4, multipliers=32, max_steps=5, dsp="dsp48e1"))
    assert [layer["vector_banks"]["x"]["words"] for layer in design.document["layers"]] == [2 * 5 * 2] * 2
    verilog = (tmp_path / "d" / "rtl" / f"{design.top}.v").read_text()
    assert re.findall(r"\.X_DEPTH\(32'd(\d+)\)", verilog) == ["20", "20"]

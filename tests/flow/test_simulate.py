"""The real core in Verilator against the emulator, over the option range; and that a wrong circuit is found."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch

from rnngen.emit.design import read_design, write_design
from rnngen.errors import DataError
from rnngen.flow import emulate, report, simulate
from rnngen.ir.network import LastStepLayer, LinearLayer, Network, ParallelLayer, RecurrentLayer
from rnngen.passes.quantise import quantise
from rnngen.plan.schedule import latency
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import block_shapes

pytestmark = pytest.mark.verilator


def make_network(shapes, head, seed):
    random = np.random.default_rng(seed)

    def uniform(*shape):
        return random.uniform(-1, 1, shape) * 1.5 / np.sqrt(shape[-1])

    layers = [
        RecurrentLayer(f"l{k}", "lstm", uniform(4 * h, i), uniform(4 * h, h), 4 * uniform(4 * h), uniform(4 * h))
        for k, (i, h) in enumerate(shapes)
    ]
    if head:
        layers.append(LinearLayer("head", random.normal(size=(head, shapes[-1][1])), random.normal(size=head)))
    return Network("net", tuple(layers))


def make_design(folder, shapes, head, weights, activations, lanes, seed):
    network = make_network(shapes, head, seed)
    quantised = quantise(network, weights, activations)
    planned = block_shapes(quantised)
    plan = plan_for_lanes(planned, *lanes) if isinstance(lanes, tuple) else plan_for_budget(planned, Budget(lanes))
    return write_design(
        folder, network, quantised, plan, top="net", clock_hz=10**8, board=None, loadable=False,
        calibration="",
    )  # fmt: skip


CASES = {
    "two layers and a head": ([(12, 32), (32, 32)], 9, 8, 16, 156),
    "rows not a multiple of the element lanes": ([(6, 20)], 0, 8, 16, (4, 10, 3)),
    "fully parallel": ([(10, 24)], 0, 8, 12, (4, 24, 24)),
    "widest formats": ([(3, 9), (9, 4)], 5, 18, 18, 60),
    "narrowest formats, one unit": ([(1, 1)], 1, 2, 4, 8),
    "padded last tile and words": ([(7, 13)], 0, 5, 9, (4, 5, 3)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_circuit_equals_emulator_in_bits_and_cycles(tmp_path, case):
    design = make_design(tmp_path / "d", *case, seed=1)
    x = np.random.default_rng(2).uniform(-2, 2, (3, 5, design.quantised.input_size))  # beyond the range: saturates
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.first  # bit_exact included
    assert result.figures["step_interval_cycles"] == design.plan.interval
    measured = (result.figures["latency_first_output_cycles"], result.figures["latency_last_output_cycles"])
    assert measured == latency(design.plan)
    paused = simulate(design, x, stall=0.3)
    assert paused.comparison.bit_exact, paused.comparison.first
    assert np.array_equal(paused.output, result.output)


def test_interval_is_that_of_the_formula_where_the_recurrence_is_hidden(tmp_path):
    design = make_design(tmp_path / "d", [(32, 64)], 0, 8, 16, (4, 4, 2), seed=3)
    result = simulate(design, steps=4)
    assert result.figures["step_interval_cycles"] == 64 // 4 * (32 // 2 + 64 // 2)
    assert result.figures["multiplier_utilisation"] == 1.0


def test_a_wrong_weight_is_found_and_placed(tmp_path):
    """One bit of one weight image is turned; the digest is mended so that only the simulation can notice."""
    folder = tmp_path / "d"
    make_design(folder, [(4, 6)], 0, 8, 16, (4, 2, 2), seed=4)
    image = folder / "rtl" / "engine0_weights.hex"
    lines = image.read_text().splitlines()
    # The x words of all three tiles come first, two a tile; the second tile holds units 2 and 3.  The lowest byte of
    # its first word is gate i of unit 2.
    assert read_design(folder).plan.engines[0].passes == (2, 3)
    word = lines[2]
    lines[2] = word[:-1] + f"{int(word[-1], 16) ^ 4:x}"
    image.write_text("\n".join(lines) + "\n")
    document = json.loads((folder / "design.json").read_text())
    for item in document["files"]:
        if item["path"] == "rtl/engine0_weights.hex":
            item["sha256"] = hashlib.sha256(image.read_bytes()).hexdigest()
    (folder / "design.json").write_text(json.dumps(document))
    result = simulate(read_design(folder), steps=4)
    first = result.comparison.first
    assert not result.comparison.bit_exact
    assert (first.step, first.layer, first.unit, first.gate) == (0, "l0", 2, "i")
    assert f"expected {first.expected}, got {first.got}" in first.sentence


def test_report_of_a_simulated_design(tmp_path):
    design = make_design(tmp_path / "d", [(4, 6)], 0, 8, 16, (4, 2, 2), seed=5)
    simulate(design, steps=6)
    page = report(design).read_text()
    assert "not run" in page  # synthesis
    details = json.loads((design.folder / "simulation" / "details.json").read_text())
    assert details["trace"]["planned_busy"] == details["trace"]["simulated_busy"]
    for lane in details["trace"]["lanes"]:
        assert lane["planned"] == lane["simulated"], lane["name"]


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_streams_side_by_side(tmp_path, stall):
    """Five sequences on two streams: bits, TID and cycles, also under pauses."""
    network = make_network([(4, 6), (6, 5)], 3, 6)
    quantised = quantise(network, 8, 16)
    plan = plan_for_budget(block_shapes(quantised, 2), Budget(60))
    design = write_design(tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
    x = np.random.default_rng(2).uniform(-1, 1, (5, 4, 4))
    result = simulate(design, x, stall=stall)
    assert result.comparison.bit_exact, result.comparison.sentence
    assert stall or result.comparison.cycle_exact
    assert np.array_equal(result.output, quantised.output_format.to_float(result.emulation.output))


DIRECTIONS = [RecurrentLayer(f"d{k}", "gru", *(np.random.default_rng(k).uniform(-0.6, 0.6, shape) for shape in
              ((12, 3), (12, 4), (12,), (12,))), reverse=bool(k)) for k in range(2)]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "streams"), [("both directions", 1), ("both directions, final", 1), ("forward", 2), ("forward, last", 2)]
)
def test_sequences_of_different_lengths(tmp_path, name, streams):
    """As pack_padded_sequence means them: each ends, and its backward pass begins, at its own end."""
    body = ParallelLayer("both", tuple(DIRECTIONS)) if name.startswith("both") else DIRECTIONS[0]
    size, ends = body.output_size, "," in name
    last = (LastStepLayer("last", size, name.endswith("final")),) if ends else ()
    network = Network("net", (body, *last, LinearLayer("head", np.eye(2, size), np.zeros(2))))
    quantised = quantise(network, 16, 16)
    plan = plan_for_budget(block_shapes(quantised, streams), Budget(40), capacity=7)
    design = write_design(tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
    lengths = [3, 7, 1, 5, 5]
    x = np.random.default_rng(2).uniform(-1, 1, (5, 7, 3))
    result = simulate(design, x, lengths=lengths)
    assert result.comparison.cycle_exact, result.comparison.sentence
    paused = simulate(design, x, lengths=lengths, stall=0.4)
    assert paused.comparison.bit_exact, paused.comparison.sentence
    grus = torch.nn.GRU(3, 4, batch_first=True, bidirectional=len(getattr(body, "branches", ())) > 1).double()
    for layer, suffix in zip(DIRECTIONS, ("_l0", "_l0_reverse")):
        for field in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            if hasattr(grus, field + suffix):
                getattr(grus, field + suffix).data = torch.from_numpy(getattr(layer, field))
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.from_numpy(x), lengths, batch_first=True, enforce_sorted=False
    )
    with torch.no_grad():
        y, h_n = grus(packed)
    wanted = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0].numpy()[..., :2]
    if ends:
        wanted = np.concatenate(list(h_n.numpy()), axis=1)[:, None, :2]
    assert np.abs(result.output - wanted).max() < 3e-4
    emulated = emulate(design, x, lengths=lengths)
    assert np.array_equal(emulated.output, result.output)
    assert emulated.error.max_abs == result.errors[-1].max_abs


def test_sequences_of_different_lengths_begin_with_their_own_states(tmp_path):
    """As each of them alone; the float network's packed run from the same states is the judge of all."""
    network = Network("net", (DIRECTIONS[0],))
    quantised = quantise(network, 16, 16)
    plan = plan_for_budget(block_shapes(quantised), Budget(12))
    design = write_design(tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None,
                          state_access=True)  # fmt: skip
    rng, lengths = np.random.default_rng(4), [2, 5, 1, 2]
    x, h_0 = rng.uniform(-1, 1, (4, 5, 3)), rng.uniform(-0.9, 0.9, (4, 4))
    all_of_them = emulate(design, x, states={"d0": (h_0, None)}, lengths=lengths)
    for k, length in enumerate(lengths):
        one = emulate(design, x[k : k + 1, :length], states={"d0": (h_0[k : k + 1], None)})
        assert np.array_equal(all_of_them.output[k, :length], one.output[0])
        assert np.array_equal(all_of_them.states["d0"][0][k], one.states["d0"][0][0])
        assert not all_of_them.output[k, length:].any()
    gru = torch.nn.GRU(3, 4, batch_first=True).double()
    for field in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(gru, f"{field}_l0").data = torch.from_numpy(getattr(DIRECTIONS[0], field))
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(x), lengths, True, enforce_sorted=False)
    with torch.no_grad():
        y, h_n = gru(packed, torch.from_numpy(h_0)[None])
    wanted = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0].numpy()
    assert np.abs(all_of_them.output - wanted).max() == pytest.approx(all_of_them.error.max_abs, abs=1e-12)
    assert all_of_them.error.max_abs < 3e-4
    assert np.abs(all_of_them.states["d0"][0] - h_n.numpy()[0]).max() < 3e-4


@pytest.mark.parametrize(
    ("lengths", "sentence"),
    [
        ([1, 2, 3], "There must be 2 lengths, one a sequence, not 3."),
        ([0, 2], "Length 0 must be within 1..3, not 0."),
        ([3, 4], "Length 1 must be within 1..3, not 4."),
    ],
)
def test_lengths_that_do_not_fit(tmp_path, lengths, sentence):
    design = make_design(tmp_path / "d", [(2, 3)], 0, 8, 16, 8, seed=1)
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        simulate(design, np.zeros((2, 3, 2)), lengths=lengths)
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        emulate(design, np.zeros((2, 3, 2)), lengths=lengths)


def test_a_sequence_longer_than_a_design_stores(tmp_path):
    network = Network("net", (DIRECTIONS[1],))
    quantised = quantise(network, 8, 16)
    plan = plan_for_budget(block_shapes(quantised), Budget(12), capacity=4)
    design = write_design(tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
    sentence = (
        "The input has sequences of 5 steps and the design stores at most 4; simulate fewer (--steps) or generate the "
        "design with --max-steps 5."
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        simulate(design, np.zeros((1, 5, 3)))

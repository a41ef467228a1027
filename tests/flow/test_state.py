"""States: interleaved streams, states given, kept, cleared and read; and sequences too long or symbols unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnngen.arith.beats import PortFormat, pack, unpack
from rnngen.emit.design import Design, write_design
from rnngen.emit.images import h_words, hex_lines, state_words, weight_words
from rnngen.emulate.network import run_values
from rnngen.errors import PlanError
from rnngen.gateware.parameters import parameter_memories, state_memories
from rnngen.ir.network import (
    EmbeddingLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    Network,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.quantised import QuantisedLayer, with_states
from rnngen.passes.quantise import quantise
from rnngen.plan.memory import state_width
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.verify.compile import CompileOptions, compile_simulator
from rnngen.verify.process import run_bench

pytestmark = pytest.mark.verilator


@pytest.fixture(autouse=True)
def bench_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH.parent))


BENCH = Path(__file__).parent / "bench_state.py"
ROWS = {"lstm": 4, "gru": 3, "rnn_tanh": 1}


def cell(kind: str, inputs: int, hidden: int, seed: int, projection: int = 0, **more: Any) -> RecurrentLayer:
    random = np.random.default_rng(seed)
    rows, state = ROWS[kind] * hidden, projection or hidden
    weights = [random.uniform(-0.6, 0.6, shape) for shape in ((rows, inputs), (rows, state), (rows,), (rows,))]
    weight_hr = random.uniform(-0.6, 0.6, (projection, hidden)) if projection else None
    return RecurrentLayer(f"{kind}{seed}", kind, *weights, weight_hr, **more)


def design_of(
    folder: Path, layers: tuple[Layer, ...], streams: int = 1, state_access: bool = False, budget: int = 40,
    spaced: bool = False,
) -> Design:  # fmt: skip
    network = Network("net", layers)
    quantised = quantise(network, 8, 12)
    plan = plan_for_budget(block_shapes(quantised, streams, spaced), Budget(budget), capacity=4)
    return write_design(
        folder, network, quantised, plan, top="net", clock_hz=10**8, board=None, state_access=state_access,
        loadable=spaced,
    )  # fmt: skip


class Session:
    """Collects actions, runs them in one simulation, and gives what each brought."""

    def __init__(self, design: Design, folder: Path) -> None:
        self.design, self.folder = design, folder
        self.actions: list[list[Any]] = []

    def port(self, name: str) -> PortFormat:
        return PortFormat.from_design(self.design.document["ports"][name])

    def steps(self, x: list[tuple[int, np.ndarray, bool, int]]) -> None:
        """Steps in order: stream, real words, whether it ends its sequence, output steps that it brings."""
        frames = []
        for stream, words, last, outputs in x:
            beats, _ = pack([self.design.quantised.input_format.quantise(words)[None]], self.port("s_axis"))
            text = [beat.tobytes()[::-1].hex() for beat in beats]
            count = outputs * self.port("m_axis").beats_per_step
            frames.append({"stream": stream, "beats": text, "last": last, "outputs": count, "pause": 0})
        self.actions.append(["steps", frames])

    def places(self, stream: int) -> list[dict[str, int]]:
        """Every state of a stream."""
        found = []
        for index, (layer, engine) in enumerate(zip(self.design.quantised.layers, self.design.plan.engines)):
            for what, memory in state_memories(index, layer, engine, self.h_size(index)).items():
                place = {"engine": index, "memory": int(what == "state_0"), "stream": stream}
                found.append({**place, "width": memory.width, "depth": memory.depth})
        return found

    def h_size(self, index: int) -> int:
        for block in self.design.quantised.blocks:
            for branch in block.branches:
                if index in branch.indices:
                    return self.design.quantised.layers[branch.last].output_size
        raise AssertionError

    def images(self, states: dict[int, dict[str, np.ndarray]]) -> list[list[str]]:
        """The words that the places of a stream must show for emulated states."""
        found = []
        for place in self.places(0):
            engine, layer = self.design.plan.engines[place["engine"]], self.design.quantised.layers[place["engine"]]
            if place["memory"]:
                text = hex_lines(state_words(states[place["engine"]]["state"], engine), state_width(layer))
            else:
                text = hex_lines(h_words(states[place["engine"]]["h"], engine), layer.formats.product.h.width)
            found.append(text.split())
        return found

    def load(self, states: dict[int, dict[str, np.ndarray]]) -> None:
        memories = []
        for place, words in zip(self.places(0), self.images(states)):
            memories.append([place["engine"], 2 + place["memory"], place["width"], words])
        self.actions.append(["load", memories])

    def read(self, stream: int) -> None:
        self.actions.append(["state", self.places(stream)])

    def run(self) -> list[Any]:
        rtl = self.design.folder / "rtl"
        simulator = compile_simulator("net", self.design.sources, CompileOptions())
        offsets = {name: entry["offset"] for name, entry in self.design.document["registers"].items()}
        config = {"offsets": offsets, "actions": self.actions, "result": str(self.folder / "result.json")}
        (self.folder / "bench.json").write_text(json.dumps(config))
        run_bench(simulator, BENCH.stem, rtl, self.folder, None, lambda line: None)
        return json.loads((self.folder / "result.json").read_text())

    def outputs(self, beats: list[list[Any]]) -> list[tuple[int, list[int], bool]]:
        """Output steps: stream, words, whether TLAST came with its end."""
        port = self.port("m_axis")
        count = port.beats_per_step
        raw = np.array([list(bytes.fromhex(b[0].zfill(port.tdata_bits // 4)))[::-1] for b in beats], dtype=np.uint8)
        words = unpack(raw, port, self.design.quantised.output_size)
        ends = beats[count - 1 :: count]
        return [(end[2], values.tolist(), bool(end[1])) for end, values in zip(ends, words, strict=True)]


NETWORKS: dict[str, tuple[Layer, ...]] = {
    "lstm and gru": (cell("lstm", 3, 7, 1), cell("gru", 7, 5, 2), LinearLayer("head", np.eye(2, 5), np.zeros(2))),
    "projected": (cell("lstm", 3, 6, 3, projection=4),),
    "plain and last": (cell("rnn_tanh", 3, 6, 4), LastStepLayer("last", 6)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_streams_keep_their_states(tmp_path: Path, name: str) -> None:
    """Steps of three streams, in any order and of any length; each stream is a sequence of its own."""
    design = design_of(tmp_path / "d", NETWORKS[name], streams=3)
    random = np.random.default_rng(7)
    lengths = {0: [3, 2], 1: [5], 2: [1, 1, 4]}
    x = {s: [random.uniform(-1, 1, (n, 3)) for n in each] for s, each in lengths.items()}
    waiting = {s: [(t, n) for n, part in enumerate(parts) for t in range(len(part))] for s, parts in x.items()}
    one = design.quantised.one_step
    order, wanted = [], []
    emulated = {s: [run_values(design.quantised, part[None]).output[0] for part in parts] for s, parts in x.items()}
    while any(waiting.values()):
        stream = int(random.choice([s for s, left in waiting.items() if left]))
        step, number = waiting[stream].pop(0)
        last = step == len(x[stream][number]) - 1
        gives = last or not one
        order.append((stream, x[stream][number][step], last, int(gives)))
        if gives:
            wanted.append((stream, emulated[stream][number][0 if one else step].tolist(), last))
    session = Session(design, tmp_path)
    session.steps(order)
    assert session.outputs(session.run()[0]) == wanted


@pytest.mark.parametrize("name", ["lstm and gru", "projected"])
def test_states_are_given_kept_cleared_and_read(tmp_path: Path, name: str) -> None:
    design = design_of(tmp_path / "d", NETWORKS[name], streams=2, state_access=True)
    quantised = design.quantised
    random = np.random.default_rng(9)
    x, more = random.uniform(-1, 1, (4, 3)), random.uniform(-1, 1, (2, 3))
    given: dict[int, dict[str, np.ndarray]] = {}
    zero = run_values(quantised, x[None]).states
    for index, states in enumerate(zero):
        given[index] = {what: random.integers(-200, 200, values.shape[1]) for what, values in states.items()}
    begun = with_states(quantised, given)
    session = Session(design, tmp_path)
    session.steps([(1, words, False, 1) for words in x])  # no TLAST: the state is kept
    session.read(1)
    session.steps([(1, words, False, 1) for words in more])  # goes on where it was
    session.actions.append(["control", 0b101])  # enable, clear_state
    session.steps([(1, words, False, 1) for words in x])
    session.load(given)
    session.actions.append(["control", 0b101])
    session.steps([(0, words, words is x[-1], 1) for words in x])
    session.read(0)
    got = session.run()
    plain = run_values(quantised, np.concatenate([x, more])[None])
    first = run_values(quantised, x[None])
    from_given = run_values(begun, x[None])

    def words(result: Any) -> list[list[int]]:
        return [values for _, values, _ in session.outputs(result)]

    assert words(got[0]) + words(got[2]) == plain.output[0].tolist()
    assert words(got[4]) == first.output[0].tolist()
    assert words(got[7]) == from_given.output[0].tolist()
    assert words(got[7]) != first.output[0].tolist()
    for result, emulation in ((got[1], first), (got[8], from_given)):
        states = {k: {what: values[0] for what, values in each.items()} for k, each in enumerate(emulation.states)}
        valid = [words_mask(session, place) for place in session.places(0)]
        wanted = session.images(states)
        for shown, words_wanted, mask in zip(result, wanted, valid, strict=True):
            pairs = zip(shown, words_wanted, mask, strict=True)
            assert all(int(a, 16) & m == int(b, 16) & m for a, b, m in pairs)


def test_a_spaced_step_begins_with_what_is_given_late(tmp_path: Path) -> None:
    """The h-part is done again when the state is cleared, or another h_0 or other weights are written, behind it."""
    design = design_of(tmp_path / "d", NETWORKS["lstm and gru"], state_access=True, spaced=True)
    quantised, random = design.quantised, np.random.default_rng(11)
    x, more = random.uniform(-1, 1, (3, 3)), random.uniform(-1, 1, (2, 3))
    given: dict[int, dict[str, np.ndarray]] = {
        index: {what: random.integers(-200, 200, values.shape[1]) for what, values in states.items()}
        for index, states in enumerate(run_values(quantised, x[None]).states)
    }
    others = tuple(
        layer if layer.weight_h is None else replace(layer, weight_h=np.ascontiguousarray(layer.weight_h[::-1]))
        for layer in quantised.layers
    )
    session = Session(design, tmp_path)
    session.load(given)  # behind the h-part of the very first step
    session.steps([(0, words, False, 1) for words in x])
    session.read(0)
    session.steps([(0, words, False, 1) for words in more])  # goes on where it was, though all of it was read
    session.actions.append(["control", 0b101])  # enable, clear_state
    session.steps([(0, words, step == len(x) - 1, 1) for step, words in enumerate(x)])
    weights = []
    for index, (layer, engine) in enumerate(zip(others, design.plan.engines)):
        memory = parameter_memories(index, layer, engine)["weights"]
        text = hex_lines(weight_words(layer, engine), layer.formats.product.weight_width)
        weights.append([index, 0, memory.width, text.split()])
    session.actions.append(["load", weights])
    session.steps([(0, words, False, 1) for words in x])
    got = session.run()
    begun = with_states(quantised, given)
    first, whole = run_values(begun, x[None]), run_values(begun, np.concatenate([x, more])[None])
    changed = run_values(replace(begun, layers=_with_weights(begun.layers, others)), x[None])
    found = {k: [values for _, values, _ in session.outputs(got[k])] for k in (1, 3, 5, 7)}
    assert found[1] + found[3] == whole.output[0].tolist()
    assert found[5] == first.output[0].tolist()
    assert found[7] == changed.output[0].tolist()
    assert found[7] != found[5]
    states = {k: {what: values[0] for what, values in each.items()} for k, each in enumerate(first.states)}
    for shown, wanted, place in zip(got[2], session.images(states), session.places(0), strict=True):
        mask = words_mask(session, place)
        assert all(int(a, 16) & m == int(b, 16) & m for a, b, m in zip(shown, wanted, mask, strict=True))


def _with_weights(layers: tuple[QuantisedLayer, ...], others: tuple[QuantisedLayer, ...]) -> tuple[QuantisedLayer, ...]:
    return tuple(replace(layer, weight_h=other.weight_h) for layer, other in zip(layers, others, strict=True))


def words_mask(session: Session, place: dict[str, int]) -> list[int]:
    """Bits of each word of a state that hold something; lanes behind the last unit hold anything."""
    engine, layer = session.design.plan.engines[place["engine"]], session.design.quantised.layers[place["engine"]]
    size = engine.shape.units if place["memory"] else session.h_size(place["engine"])
    ones = np.full(size, -1)
    if place["memory"]:
        text = hex_lines(state_words(ones, engine), state_width(layer))
    else:
        text = hex_lines(h_words(ones, engine), layer.formats.product.h.width)
    return [int(line, 16) for line in text.split()]


def test_a_model_that_begins_with_a_state_of_its_own(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    layer = cell("lstm", 3, 5, 5, h_0=random.uniform(-0.5, 0.5, 5), c_0=random.uniform(-1, 1, 5))
    other = cell("gru", 5, 4, 6, h_0=random.uniform(-0.9, 0.9, 4))
    design = design_of(tmp_path / "d", (layer, other))
    x = random.uniform(-1, 1, (3, 3))
    session = Session(design, tmp_path)
    session.steps([(0, words, True, 1) for words in x])  # each step a sequence: each begins with that state
    session.steps([(0, words, words is x[-1], 1) for words in x])
    each, whole = session.run()
    alone = run_values(design.quantised, x[:, None]).output[:, 0].tolist()
    assert [values for _, values, _ in session.outputs(each)] == alone
    together = run_values(design.quantised, x[None]).output[0].tolist()
    assert [values for _, values, _ in session.outputs(whole)] == together


def test_sequences_of_any_length_and_one_too_long(tmp_path: Path) -> None:
    """Four steps are stored; one of five is dropped whole, said so, and the ones around it are right."""
    both = ParallelLayer("both", (cell("gru", 3, 4, 7), cell("gru", 3, 4, 8, reverse=True)))
    design = design_of(tmp_path / "d", (both, LinearLayer("head", np.eye(3, 8), np.zeros(3))))
    random = np.random.default_rng(5)
    session = Session(design, tmp_path)
    lengths = [1, 4, 5, 3, 9, 2, 4, 4]
    sequences = [random.uniform(-1, 1, (n, 3)) for n in lengths]
    order, wanted = [], []
    for part in sequences:
        fits = len(part) <= 4
        # Outputs come once a sequence is complete: its last step brings all of them.
        for step, words in enumerate(part):
            last = step == len(part) - 1
            order.append((0, words, last, len(part) if last and fits else 0))
        if fits:
            output = run_values(design.quantised, part[None]).output[0].tolist()
            wanted += [(0, values, step == len(part) - 1) for step, values in enumerate(output)]
    session.steps(order)
    session.actions.append(["errors", None])
    session.actions.append(["errors", None])
    beats, errors, after = session.run()
    assert session.outputs(beats) == wanted
    assert (errors, after) == (0b100, 0)


def test_an_unknown_symbol_is_reported(tmp_path: Path) -> None:
    table = np.random.default_rng(1).uniform(-1, 1, (5, 3))
    design = design_of(tmp_path / "d", (EmbeddingLayer("letters", table), cell("gru", 3, 4, 9)))
    session = Session(design, tmp_path)
    session.steps([(0, np.array([s]), s == 4.0, 1) for s in (1.0, 3.0, 4.0)])
    session.actions.append(["errors", None])
    session.steps([(0, np.array([s]), s == 5.0, 1) for s in (2.0, 5.0)])
    session.actions.append(["errors", None])
    right, none, wrong, one = session.run()
    x = np.array([[1.0], [3.0], [4.0]])[None]
    assert [v for _, v, _ in session.outputs(right)] == run_values(design.quantised, x).output[0].tolist()
    x = np.array([[2.0], [0.0]])[None]  # 0 in the place of the unknown one
    assert [v for _, v, _ in session.outputs(wrong)] == run_values(design.quantised, x).output[0].tolist()
    assert (none, one) == (0, 0b1000)


def test_stored_sequences_cannot_be_interleaved(tmp_path: Path) -> None:
    sentence = (
        r"^Sequences that are stored \(backward layers\) cannot be interleaved, but 2 streams are asked for: send "
        r"sequences whole, one behind the other\.$"
    )
    with pytest.raises(PlanError, match=sentence):
        design_of(tmp_path / "d", (cell("gru", 3, 4, 8, reverse=True),), streams=2)

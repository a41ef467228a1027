"""Weights that change while the accelerator runs: every sequence is computed with one image, and none with two."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Fragment

from rnngen.arith.beats import PortFormat, pack, unpack
from rnngen.config.board import load_board
from rnngen.config.system import Device, System
from rnngen.emit.design import Design, describe, write_design
from rnngen.emulate.network import run_values
from rnngen.errors import PlanError
from rnngen.flow.generate import GenerateOptions, _check_memory, generate
from rnngen.flow.partition import PartitionOptions, partition
from rnngen.gateware.context import CoreOptions
from rnngen.gateware.registers import Features, python_map
from rnngen.gateware.top import Accelerator, core_features
from rnngen.ir.network import LastStepLayer, LinearLayer, Network, ParallelLayer
from rnngen.ir.quantised import QuantisedLayer, QuantisedNetwork
from rnngen.passes.banked import with_masks
from rnngen.passes.quantise import quantise
from rnngen.plan.external import MemoryPort
from rnngen.plan.memory import engine_bits, total_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes, plan_with_folding
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import DEFAULT_PIPELINE
from rnngen.verify.compile import CompileOptions, compile_simulator
from rnngen.verify.process import run_bench
from tests.flow.test_load import network as checkpoint
from tests.flow.test_load import pruned
from tests.flow.test_state import cell

BENCH = Path(__file__).parent / "bench_double.py"
STEPS = 4
HEAD = np.random.default_rng(8)
X = np.random.default_rng(0).uniform(-1, 1, (2, 6, 5))


def other(quantised: QuantisedNetwork) -> QuantisedNetwork:
    """Another network of the same shapes and formats: its rows are in another order."""

    def turned(layer: QuantisedLayer) -> QuantisedLayer:
        h = None if layer.weight_h is None else np.ascontiguousarray(layer.weight_h[::-1])
        return replace(layer, weight_x=np.ascontiguousarray(layer.weight_x[::-1]), weight_h=h, bias=layer.bias[::-1])

    return replace(quantised, layers=tuple(turned(layer) for layer in quantised.layers))


@dataclass(frozen=True)
class Case:
    """A network, two sets of its parameters, and its plan."""

    network: Network
    images: tuple[QuantisedNetwork, QuantisedNetwork]
    plan: NetworkPlan
    phases: tuple[str, ...] = ("changes", "resets", "clears")

    @property
    def streams(self) -> int:
        return self.plan.streams


def case(network: Network, plan: Callable[[QuantisedNetwork], NetworkPlan], *phases: str) -> Case:
    quantised = quantise(network, 8, 12)
    found = Case(network, (quantised, other(quantised)), plan(quantised))
    return replace(found, phases=phases) if phases else found


def budget(multipliers: int, streams: int = 1, spaced: bool = False) -> Callable[[QuantisedNetwork], NetworkPlan]:
    return lambda quantised: plan_for_budget(
        block_shapes(quantised, streams, spaced), Budget(multipliers), capacity=STEPS
    )


def sparse() -> Case:
    """Of two checkpoints, whose places differ; places have a memory of their own."""
    (net, masks), (_, others) = pruned(checkpoint(1)), pruned(checkpoint(2))
    second = pruned(checkpoint(2))[0]
    images = with_masks(quantise(net, 8, 16, X), masks), with_masks(quantise(second, 8, 16, X), others)
    return Case(net, images, plan_for_lanes(block_shapes(images[0]), 4, 2, 1), ("changes", "resets"))


def folded(quantised: QuantisedNetwork) -> NetworkPlan:
    plan = plan_with_folding(block_shapes(quantised), Budget(3), DEFAULT_PIPELINE, STEPS, True)
    assert plan.shared is not None
    return plan


LSTM, GRU = cell("lstm", 3, 6, 5), cell("gru", 6, 4, 6)
TWO = Network("net", (LSTM, GRU, LinearLayer("head", HEAD.uniform(-1, 1, (3, 4)), HEAD.uniform(-1, 1, 3))))
BOTH = Network("net", (ParallelLayer("both", (cell("gru", 3, 4, 7), cell("gru", 3, 4, 8, reverse=True))),))
LAST = Network("net", (LSTM, LastStepLayer("last", 6), LinearLayer("head", HEAD.uniform(-1, 1, (3, 6)), np.zeros(3))))
CASES: dict[str, Callable[[], Case]] = {
    "dense": lambda: case(TWO, budget(40)),
    "streams": lambda: case(TWO, budget(40, 3)),
    "spaced": lambda: case(TWO, budget(60, spaced=True)),
    "stored": lambda: case(BOTH, budget(20), "changes", "resets"),
    "folded": lambda: case(TWO, folded),
    "sparse": sparse,
    "last steps": lambda: case(LAST, budget(30), "changes", "resets"),
    "unrolled": lambda: case(TWO, budget(500)),
}


def design_of(folder: Path, made: Case, image: int) -> Design:
    return write_design(
        folder, made.network, made.images[image], made.plan, top="net", clock_hz=10**8, board=None,
        double_buffer=True,
    )  # fmt: skip


def loads_of(design: Design) -> list[list[Any]]:
    """What a host reads of a design folder to load its parameters."""
    found = []
    for load in design.document["loads"]:
        words = (design.folder / load["file"]).read_text().split()
        assert len(words) == load["images"] * load["depth"]
        assert words[:: load["images"]] == words[load["images"] - 1 :: load["images"]]
        found.append([load["engine"], load["memory"], load["width"], words[:: load["images"]]])
    return found


Span = list[tuple[int, int, bool]]


def spans_of(streams: int) -> tuple[np.ndarray, list[Span]]:
    """Sequences (n, STEPS, inputs as numbers), and in which order their steps are sent: (sequence, step, last).

    Sequence k is stream k mod ``streams``'.  Of several streams one is always in a sequence within a span.
    """
    random = np.random.default_rng(3)
    if streams == 1:
        x = random.uniform(-1, 1, (3, STEPS, 3))
        return x, [[(k, step, step == STEPS - 1) for step in range(STEPS)] for k in range(3)]
    x = random.uniform(-1, 1, (4 * streams, STEPS, 3))
    spans: list[Span] = []
    for first in (0, streams):  # side by side
        spans.append([(first + s, step, step == STEPS - 1) for step in range(STEPS) for s in range(streams)])
    half, overlapped = STEPS // 2, []  # each stream begins in the middle of what the one before sends
    for moment in range(2 * STEPS + streams * half):
        for s in range(streams):
            number, step = divmod(moment - s * half, STEPS)
            if number in (0, 1):
                overlapped.append(((2 + number) * streams + s, step, step == STEPS - 1))
    return x, [*spans, overlapped]


def expected(made: Case, x: np.ndarray, design: Design) -> list[list[list[list[int]]]]:
    """By image and sequence, its output words."""
    return [[run_values(image, part[None]).output[0].tolist() for part in x] for image in made.images]


def words_of(design: Design, outputs: list[list[Any]], stream: int) -> list[list[list[int]]]:
    """The sequences of a stream, each a list of output words of its steps; an unfinished one at the end, too."""
    port = PortFormat.from_design(design.document["ports"]["m_axis"])
    sequences: list[list[str]] = [[]]
    for whose, data, last in outputs:
        if whose == stream:
            sequences[-1].append(data)
            if last:
                sequences.append([])
    found = []
    for beats in sequences:
        raw = np.array([list(bytes.fromhex(b.zfill(port.tdata_bits // 4)))[::-1] for b in beats], dtype=np.uint8)
        if len(raw):
            found.append(unpack(raw, port, design.quantised.output_size).tolist())
    return found


@pytest.mark.verilator
@pytest.mark.parametrize("name", CASES)
def test_no_sequence_is_computed_with_two_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = CASES[name]()
    first, second = (design_of(tmp_path / str(image), made, image) for image in (0, 1))
    assert (first.folder / "rtl/net.v").read_bytes() == (second.folder / "rtl/net.v").read_bytes()
    streams = made.streams
    x, spans = spans_of(streams)
    if name == "sparse":
        x = np.random.default_rng(4).uniform(-1, 1, (3, STEPS, 5))
    port = PortFormat.from_design(first.document["ports"]["s_axis"])
    integers = first.quantised.input_format.quantise(x)

    def beats(sequence: int, step: int) -> list[str]:
        packed, _ = pack([integers[sequence, step][None]], port)
        return [beat.tobytes()[::-1].hex() for beat in packed]

    config = {
        "registers": python_map(),
        "spans": [[[k % streams, beats(k, step), last] for k, step, last in span] for span in spans],
        "images": [loads_of(first), loads_of(second)],
        "beats_out": first.document["ports"]["m_axis"]["beats_per_step"],
        "every": name != "last steps",
        "latency": first.document["features"]["latency"],
        "streams": list(range(streams)),
        "phases": made.phases,
        "seed": 5,
        "result": str(tmp_path / "result.json"),
    }
    (tmp_path / "bench.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.syspath_prepend(str(BENCH.parent))
    visible = ("aclk", "aresetn", "s_ax*", "m_ax*", "irq")
    simulator = compile_simulator("net", first.sources, CompileOptions(visible=visible))
    run_bench(simulator, BENCH.stem, first.folder / "rtl", tmp_path, None, lambda line: None)
    result = json.loads((tmp_path / "result.json").read_text())
    wanted = expected(made, x, first)
    assert all(one != two for one, two in zip(*wanted, strict=True))
    changes = images_of(first, result["changes"], spans, wanted, streams)
    turns = sum(a != b for a, b in zip(changes, changes[1:]))
    assert (changes[0], changes[-1], turns) == (0, 0, 4), changes
    if "resets" in made.phases:
        assert set(images_of(first, result["resets"], spans, wanted, streams)) == {0}
    assert result["held"]["behind_the_last_output"] == 2
    if "clears" in made.phases:
        check_cleared(made, first, result["clears"]["outputs"], x)


def images_of(
    design: Design, result: dict[str, Any], spans: list[Span], wanted: list[list[list[list[int]]]], streams: int
) -> list[int]:
    """By span that was sent, the image that all of its sequences were computed with."""
    sent = [words_of(design, result["outputs"], stream) for stream in range(streams)]
    found = []
    for number in result["begun"]:
        images = set()
        ended = [k for k, _, last in spans[number] if last]
        for sequence in ended:
            got = sent[sequence % streams].pop(0)
            images.add(next((image for image in (0, 1) if wanted[image][sequence] == got), None))
        assert len(images) == 1, f"span {len(found)} (number {number}) was computed with {images}"
        found += images
    assert None not in found
    assert not any(sent)
    return found


def check_cleared(made: Case, design: Design, outputs: list[list[Any]], x: np.ndarray) -> None:
    """Steps without the last one, then all of them: the last stream was cleared between both, the others go on."""
    for stream in range(made.streams):
        part, whole = x[stream, :-1], x[stream]
        (got,) = words_of(design, outputs, stream)
        pieces = [part, whole] if stream == made.streams - 1 else [np.concatenate([part, whole])]
        assert got == [step for piece in pieces for step in run_values(made.images[0], piece[None]).output[0].tolist()]


def test_all_weights_are_counted_twice() -> None:
    made = CASES["dense"]()
    once, twice = (
        describe(made.network, made.images[0], made.plan, "net", 10**8, None, options, "")
        for options in (CoreOptions(loadable=True), CoreOptions(loadable=True, double_buffer=True))
    )
    parameters = 0
    for bits, both in zip(once["layers"], twice["layers"], strict=True):
        bits, both = bits["memory_bits"], both["memory_bits"]
        assert {what for what in bits if bits[what] != both[what]} == {"weights", "bias"}
        assert (both["weights"], both["bias"]) == (2 * bits["weights"], 2 * bits["bias"])
        parameters += bits["weights"] + bits["bias"]
    assert twice["memory_bits"] == once["memory_bits"] + parameters
    assert total_memory_bits(made.images[0], made.plan, 2) == twice["memory_bits"]
    assert engine_bits(made.images[0], made.plan, 2)[0] == twice["layers"][0]["memory_bits"]
    assert [load["images"] for load in once["loads"] + twice["loads"]] == [1] * 6 + [2] * 6
    assert [document["features"]["double_buffer"] for document in (once, twice)] == [False, True]


def test_features_are_those_of_the_design() -> None:
    dense, streams, stored = (CASES[name]() for name in ("dense", "streams", "stored"))
    alone = {"soft_reset": True, "interrupt": True, "latency": True}
    for made, options, wanted in (
        (dense, CoreOptions(loadable=True), Features(loadable=True, **alone)),
        (dense, CoreOptions(state_access=True, in_system=True), Features(state_access=True)),
        (streams, CoreOptions(), Features(streams=3, **alone)),
        (stored, CoreOptions(), Features(stored_sequences=True, soft_reset=True, interrupt=True)),
        (CASES["spaced"](), CoreOptions(), Features(spaced=True, **alone)),
        (CASES["sparse"](), CoreOptions(), Features(sparse=True, **alone)),
    ):
        assert core_features(made.images[0], made.plan, options) == wanted
    external = dense.plan.with_memory(MemoryPort(), [8] * len(dense.plan.engines))
    wanted = Features(external_weights=True, interrupt=True, latency=True)
    assert core_features(dense.images[0], external, CoreOptions()) == wanted


def test_a_core_of_a_system_has_no_interrupt() -> None:
    made = CASES["dense"]()
    for inside in (False, True):
        core = Accelerator(made.images[0], made.plan, CoreOptions(in_system=inside))
        Fragment.get(core, None)
        assert ("irq" in [port.name for port in core.ports]) != inside


def test_external_weights_are_refused(tmp_path: Path) -> None:
    options = GenerateOptions(double_buffer=True, weights="external", multipliers=8)
    sentence = (
        r"^--double-buffer writes weights into on-chip memories and --weights external has none; leave "
        r"--double-buffer away and write other weights to the external memory\.$"
    )
    with pytest.raises(PlanError, match=sentence):
        generate("none", tmp_path / "d", options)


def test_several_devices_are_refused(tmp_path: Path) -> None:
    system = System((Device("a", 10**8, 8),), ())
    with pytest.raises(PlanError, match=r"^--double-buffer changes the weights of one device between two of its seq"):
        partition("none", system, tmp_path / "d", PartitionOptions(double_buffer=True))


def test_a_board_too_small_for_two_images_is_refused() -> None:
    made, board = CASES["dense"](), load_board("ulx3s-85f")
    once = total_memory_bits(made.images[0], made.plan)
    tight = replace(board, budget=replace(board.budget, block_ram_bits=once))
    _check_memory(made.images[0], made.plan, tight, GenerateOptions())
    sentence = rf"it has {once:,}; without --double-buffer, which holds all weights twice, they need {once:,}\.$"
    with pytest.raises(PlanError, match=sentence):
        _check_memory(made.images[0], made.plan, tight, GenerateOptions(double_buffer=True))

"""Parameters loaded over the control port: another checkpoint in the same circuit."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.beats import PortFormat, pack
from rnngen.emit.design import write_design
from rnngen.emulate.network import run_values
from rnngen.errors import PlanError
from rnngen.gateware.context import CoreOptions
from rnngen.gateware.top import accelerator_verilog, loadable_memories
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.passes.banked import with_masks
from rnngen.passes.prune_layers import PrunedMatrix, PruneOptions, prune_network
from rnngen.passes.quantise import quantise
from rnngen.plan.search import plan_for_lanes
from rnngen.plan.shapes import block_shapes
from rnngen.verify.compile import CompileOptions, compile_simulator
from rnngen.verify.process import run_bench

BENCH = Path(__file__).parent / "bench_load.py"


def network(seed: int, hidden: int = 7) -> Network:
    """An LSTM with a head; the extremes of every tensor are the same for every seed, and so are the formats."""
    random = np.random.default_rng(seed)

    def tensor(*shape: int) -> np.ndarray:
        values = random.uniform(-0.9, 0.9, shape)
        values.flat[:2] = 1.0, -1.0
        return values

    gates = 4 * hidden
    lstm = RecurrentLayer("lstm", "lstm", tensor(gates, 5), tensor(gates, hidden), tensor(gates), tensor(gates))
    return Network("net", (lstm, LinearLayer("head", tensor(3, hidden), tensor(3))))


def pruned(net: Network) -> tuple[Network, tuple[PrunedMatrix, ...]]:
    """2 of 5 and 3 of 7 weights of a row are kept, the same ones of four units; the extremes are there again."""
    net, masks = prune_network(net, PruneOptions(1, Fraction(3, 5), Fraction(4, 7), shared_rows=4))
    lstm, head = net.layers
    changed = {}
    for field in ("weight_ih", "weight_hh"):
        changed[field] = weights = getattr(lstm, field).copy()
        weights.flat[np.flatnonzero(weights)[:2]] = 1.0, -1.0
    return replace(net, layers=(replace(lstm, **changed), head)), masks


def design_of(net: Network, folder: Path, x: np.ndarray, sparse: bool = False):
    masks: tuple[PrunedMatrix, ...] = ()
    if sparse:
        net, masks = pruned(net)
    quantised = with_masks(quantise(net, 8, 16, x), masks)
    plan = plan_for_lanes(block_shapes(quantised), 4, 2 if sparse else 3, 1 if sparse else 2)
    return write_design(
        folder, net, quantised, plan, top="net", clock_hz=10**8, board=None, loadable=True,
        calibration="",
    )  # fmt: skip


@pytest.mark.verilator
@pytest.mark.parametrize("sparse", [False, True])
def test_another_checkpoint_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: bool) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2, 6, 5))
    first, second = (design_of(network(seed), tmp_path / str(seed), x, sparse) for seed in (1, 2))
    assert first.plan.engines[0].places_apart == sparse
    assert first.document["layers"] == second.document["layers"], "the two must share their formats"
    port_in, port_out = (PortFormat.from_design(first.document["ports"][name]) for name in ("s_axis", "m_axis"))
    images = {0: "weights", 1: "bias", 4: "places"}
    memories = [
        [
            memory.engine,
            memory.memory,
            memory.width,
            (second.folder / "rtl" / f"engine{memory.engine}_{images[memory.memory]}.hex").read_text().split(),
        ]
        for memory in loadable_memories(second.quantised, second.plan, CoreOptions(loadable=True))
    ]
    config = {
        "offsets": {name: entry["offset"] for name, entry in first.document["registers"].items()},
        "digest": first.document["digest"][:32],
        "memories": memories,
        "sequences": [
            pack([sequence], port_in)[0].ravel().tolist() for sequence in first.quantised.input_format.quantise(x)
        ],
        "result": str(tmp_path / "result.json"),
    }
    (tmp_path / "bench.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.syspath_prepend(str(BENCH.parent))
    simulator = compile_simulator("net", first.sources, CompileOptions())
    run_bench(simulator, BENCH.stem, first.folder / "rtl", tmp_path, None, lambda line: None)
    result = json.loads((tmp_path / "result.json").read_text())
    for moment, design in (("before", first), ("after", second)):
        expected = run_values(design.quantised, x).output
        assert result[moment] == [pack([sequence], port_out)[0].tobytes().hex() for sequence in expected]
    assert result["before"] != result["after"]
    assert result["saturations"] == run_values(second.quantised, x).total_saturations


@pytest.mark.parametrize(
    ("bits", "loadable", "message"),
    [
        (16, True, "its weights of one cycle have 65,536 bits and at most 65,504 can be loaded at run time"),
        (17, False, "its weights of one cycle have 69,632 bits and at most 65,536 can be wired"),
    ],
)
def test_a_bus_too_wide_is_refused(bits: int, loadable: bool, message: str) -> None:
    quantised = quantise(network(0, hidden=64), bits, 16)
    plan = plan_for_lanes(block_shapes(quantised), 4, 64, 16)
    with pytest.raises(PlanError, match=rf"^Layer 'lstm': {message}: use fewer multipliers or fewer bits\.$"):
        accelerator_verilog(quantised, plan, "net", CoreOptions(loadable=loadable))


def test_the_widest_bus_is_built() -> None:
    quantised = quantise(network(0, hidden=64), 16, 16)
    plan = plan_for_lanes(block_shapes(quantised), 4, 64, 16)
    assert "[65535:0]" in accelerator_verilog(quantised, plan, "net", CoreOptions())

"""Every kind of block through design.json and back; the digest depends on the design and on nothing else."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from rnngen.emit.design import Design, read_design, write_design
from rnngen.ir.network import parameters
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from tests.random_networks import RECURRENT, Description, make_network

CHAINS: dict[str, Description] = {
    kind: ((kind, 4, 3) if kind.endswith("projected") or kind in ("factorised", "grouped") else (kind, 4),)
    for kind in RECURRENT
}
CHAINS |= {f"{kind} behind symbols": (("embedding", 5, 4), *CHAINS[kind]) for kind in RECURRENT}
CHAINS |= {
    function: (("linear", 5), (function,), ("lstm", 3), (function,), (function,))
    for function in ("relu", "sigmoid", "tanh", "hardsigmoid", "hardtanh")
} | {
    "limits": (("linear", 5), ("hardtanh", -0.25, 0.7), ("relu",), ("hardtanh", 0.0, 0.125)),
    "last": (("gru", 3), ("last",), ("linear", 4), ("tanh",), ("argmax",)),
    "final": (("bidirectional lstm", 3), ("final",), ("bidirectional gru", 2), ("argmax",)),
}


def make_design(target: Path, description: Description, seed: int = 3, loadable: bool = True) -> Design:
    network = make_network(seed, 4, description)
    quantised = quantise(network, 7, 11)
    plan = plan_for_budget(block_shapes(quantised), Budget(60), capacity=6)
    return write_design(
        target, network, quantised, plan, top="accel", clock_hz=10**8, board=None,
        loadable=loadable, calibration="proved",
    )  # fmt: skip


def assert_same(before: QuantisedNetwork, after: QuantisedNetwork) -> None:
    for field in fields(QuantisedNetwork):
        if field.name != "layers":
            assert getattr(before, field.name) == getattr(after, field.name)
    for one, other in zip(before.layers, after.layers, strict=True):
        for field in fields(one):
            values = getattr(one, field.name), getattr(other, field.name)
            if isinstance(values[0], np.ndarray):
                assert np.array_equal(*values), field.name
                assert values[0].dtype == values[1].dtype
            elif field.name == "formats":
                assert_same_formats(*values)
            else:
                assert values[0] == values[1], field.name


def assert_same_formats(before: object, after: object) -> None:
    """All but the formats of what is not multiplied."""
    for field in fields(before):
        if field.name != "product":
            assert getattr(before, field.name) == getattr(after, field.name)
    one, other = before.product, after.product
    names = ["input_size", "hidden_size", "x", "bias", "fraction", "shift_x", "shift_h", "bias_shift", "operand_width",
             "weight_width", "accumulator_width", "total_width"]  # fmt: skip
    names += ["weight_x"] if one.input_size else []
    names += ["h", "weight_h"] if one.hidden_size else []
    for name in names:
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("name", CHAINS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    design = make_design(tmp_path / "design", CHAINS[name])
    back = read_design(tmp_path / "design")
    assert back.document == design.document
    assert back.plan == design.plan
    assert_same(design.quantised, back.quantised)
    for before, after in zip(design.network.layers, back.network.layers, strict=True):
        assert (type(before), before.name) == (type(after), after.name)
        arrays = parameters(before), parameters(after)
        assert arrays[0].keys() == arrays[1].keys()
        assert all(np.array_equal(array, arrays[1][label]) for label, array in arrays[0].items())
        for field in fields(before):
            if isinstance(value := getattr(before, field.name), str | int | float | bool):
                assert getattr(after, field.name) == value


DIGESTED = ["gru", "bidirectional projected", "grouped", "factorised behind symbols", "limits", "final"]


@pytest.mark.parametrize("name", DIGESTED)
def test_the_digest_is_stable(name: str, tmp_path: Path) -> None:
    """The same design elsewhere has the same bytes; other weights are other images and the same Verilog."""
    one, same, other = (
        make_design(tmp_path / folder, CHAINS[name], seed) for folder, seed in (("a", 3), ("b/c", 3), ("d", 5))
    )
    assert one.document == same.document
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b/c" / path.relative_to(tmp_path / "a")).read_bytes(), path
    assert other.document["digest"] != one.document["digest"]


def test_all_digests_differ(tmp_path: Path) -> None:
    digests = {
        make_design(tmp_path / f"{number}", CHAINS[name], loadable=loadable).document["digest"]
        for number, (name, loadable) in enumerate((name, loadable) for name in DIGESTED for loadable in (False, True))
    }
    assert len(digests) == 2 * len(DIGESTED)

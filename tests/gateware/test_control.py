"""The control port: what its constructor refuses, how its Verilog grows, and its behaviour in Verilator."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import ClockDomain, Module, Signal, Value

from rnngen.gateware.control import ControlPort
from rnngen.gateware.loader import LoadableMemory
from rnngen.gateware.peek import PEEK
from rnngen.gateware.registers import Features, python_map
from rnngen.resources import templates_dir
from rnngen.verify.compile import CompileOptions, Simulator, compile_simulator
from rnngen.verify.process import run_bench

BENCH = Path(__file__).parent / "bench_control.py"
TOGETHER = "bench_commit"
"""Beside it; all of its coroutines in one run."""
DIGEST = 0x0123_4567_89AB_CDEF_1122_3344_5566_7788
MEMORIES = [
    LoadableMemory(0, 0, 70, 5),
    LoadableMemory(0, 1, 32, 3),
    LoadableMemory(2, 0, 33, 9),
    LoadableMemory(2, 1, 8, 2),
    LoadableMemory(3, 0, 160, 4),
    LoadableMemory(4, 0, 40, 3, 2),
    LoadableMemory(4, 4, 16, 2, 2),
]
ALL = Features(
    loadable=True, double_buffer=True, state_access=True, external_weights=True, soft_reset=True, interrupt=True,
    latency=True, streams=5,
)  # fmt: skip
"""Nothing has all of it; the port does not mind."""
EVENTS = ("step_in", "step_out", "input_idle", "output_stall", "saturations", "idle")
ERRORS = ("protocol_error", "overlong", "bad_symbol", "memory_error", "bad_stream")
NEW = ("sequence_out", "between", "soft_reset", "resetting", "reset_done", "measured", "latency", "hold", "image",
       "switched", "irq")  # fmt: skip
INSIDE = (*EVENTS, *ERRORS, *NEW, "enable", "clear", "restart", "load", "peek", "peek_engine", "peeked", "fetch",
          "memory_base")  # fmt: skip


class ControlTop(ControlPort):
    """The port with the accelerator's names, aclk, aresetn, s_axil_*; its registers are in the top module."""

    def __init__(self, memories: list[LoadableMemory], digest: int, features: Features) -> None:
        super().__init__(memories, features)
        self._digest_value = digest
        self.aclk, self.aresetn = Signal(name="aclk"), Signal(name="aresetn")

    @property
    def ports(self) -> dict[str, tuple[Signal, None]]:
        """Every top-level port by name."""
        found = {"aclk": (self.aclk, None), "aresetn": (self.aresetn, None)}
        for path, _, value in self.signature.flatten(self):
            if path[0] == "digest":
                continue
            name = "_".join(path)
            # A structure is one port, of all its fields.
            found[name if path[0] in INSIDE else f"s_axil_{name}"] = (Value.cast(value), None)
        return found

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn), self.digest.eq(self._digest_value)]
        return m


def control_verilog(memories: list[LoadableMemory], digest: int = 0, features: Features = ALL) -> str:
    top = ControlTop(memories, digest, features)
    return verilog.convert(top, name="control_top", ports=top.ports, emit_src=False, strip_internal_attrs=True)


def bench_tests() -> list[str]:
    """The coroutines of the bench that cocotb runs."""
    tree = ast.parse(BENCH.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    folder = tmp_path_factory.mktemp("control")
    source = folder / "control_top.v"
    source.write_text(control_verilog(MEMORIES, DIGEST), encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_CACHE", str(folder / "cache"))
        sources = [templates_dir() / "rnn_xor_matrix.v", source]
        return compile_simulator("control_top", sources, CompileOptions(visible=("*",)))


@pytest.mark.verilator
@pytest.mark.parametrize("name", bench_tests())
def test_bench(name: str, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCOTB_TEST_FILTER", rf"\b{name}$")
    run(BENCH.stem, simulator, tmp_path, monkeypatch)


@pytest.mark.verilator
def test_interrupts_resets_and_images(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(TOGETHER, simulator, tmp_path, monkeypatch)


def run(bench: str, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH.parent))
    config = {
        "registers": python_map(),
        "digest": DIGEST,
        "features": ALL.word,
        "peek": {name: [field.offset, field.width] for name, field in PEEK},
        "memories": [[memory.engine, memory.memory, memory.width, memory.depth] for memory in MEMORIES],
        "double": [[memory.engine, memory.memory] for memory in MEMORIES if memory.images == 2],
    }
    (tmp_path / "bench.json").write_text(json.dumps(config), encoding="utf-8")
    run_bench(simulator, bench, tmp_path, tmp_path, None, lambda line: None)


def test_the_verilog_does_not_grow_with_the_width_of_a_word() -> None:
    narrow, wide = (control_verilog([LoadableMemory(0, 0, width, 8)]).count("\n") for width in (128, 32768))
    assert abs(wide - narrow) < 10


def test_registers_of_external_weights_store_nothing_where_there_are_none() -> None:
    both = (Features(), Features(external_weights=True))
    stored = [control_verilog([], features=features).count("memory_base_low <=") for features in both]
    assert stored == [0, 1]


def test_a_port_without_memories_is_legal() -> None:
    assert "s_axil_awaddr" in control_verilog([])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ControlPort([LoadableMemory(1, 0, 8, 2), LoadableMemory(1, 0, 9, 2)]),
            "Loadable memory 0 of engine 1 must be listed once only.",
        ),
        (lambda: LoadableMemory(256, 0, 8, 2), "Loadable memory: engine must be within 0..255, not 256."),
        (lambda: LoadableMemory(0, 8, 8, 2), "Loadable memory: memory must be within 0..7, not 8."),
        (lambda: LoadableMemory(0, 0, 0, 2), "Loadable memory: width must be within 1..65504, not 0."),
        (lambda: LoadableMemory(0, 0, 8, 0), "Loadable memory: depth must be within 1..4294967295, not 0."),
    ],
)
def test_refusals(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build()

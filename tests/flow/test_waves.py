"""Waveforms: what a view names is there, and its values are those of the arithmetic, scaled by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.format import Format
from rnngen.emit.design import Design
from rnngen.emit.stages import Scope, Stage, View, Wave
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError, ToolError
from rnngen.flow import GenerateOptions, PartitionOptions, generate, partition, simulate, simulate_system
from rnngen.flow.waves import wave_file
from rnngen.verify import compile as compiling
from rnngen.verify.view import gtkwave_view, surfer_view
from tests.flow.test_simulate import make_design


@dataclass(frozen=True)
class Variable:
    """Of a VCD: its key in the changes, and where its lowest bit stands."""

    key: str
    width: int
    lowest: int

    def value(self, bits: int, signed: bool = True) -> float:
        """What the bits stand for."""
        negative = signed and bits >> (self.width - 1)
        return (bits - (negative << self.width)) * 2.0**self.lowest


def header(text: str) -> dict[str, Variable]:
    """Signals of a VCD by their paths."""
    found, path = {}, list[str]()
    for line in text.partition("$enddefinitions")[0].splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            path.append(words[2])
        elif words[:1] == ["$upscope"]:
            path.pop()
        elif words[:1] == ["$var"]:
            lowest = re.fullmatch(r"\[(-?\d+):(-?\d+)\]", words[5])
            name = ".".join([*path, words[4]])
            found[name] = Variable(words[3], int(words[2]), int(lowest[2]) if lowest else 0)
    return found


def samples(text: str, clock: str) -> Iterator[dict[str, int]]:
    """By rising edge of a clock, the values in front of it, by their keys."""
    now, changes = dict[str, int](), dict[str, int]()
    for line in text.partition("$enddefinitions $end")[2].split("\n"):
        if line.startswith("#"):
            if changes.get(clock) == 1 and now.get(clock) == 0:
                yield dict(now)
            now |= changes
            changes = {}
        elif line.startswith("b"):
            bits, key = line[1:].split()
            changes[key] = int(bits, 2)
        elif line[:1] in ("0", "1"):
            changes[line[1:]] = int(line[0])


def shown(designed: Path) -> tuple[list[str], list[str], list[str]]:
    """Paths that the view files in a design's folder name, and ranges that GTKWave's has."""
    folder = designed / "simulation"
    gtkwave = re.findall(r"^(?:\+\{.*\} )?([\w.]+)(\[.*\])?$", (folder / "waves.gtkw").read_text(), re.MULTILINE)
    surfer = re.findall(r"^variable_add (\S+)$", (folder / "waves.sucl").read_text(), re.MULTILINE)
    return [path for path, _ in gtkwave], [bits for _, bits in gtkwave], surfer


def test_points_of_values() -> None:
    """16 bits, 15 of them behind the point: [0:-15], and GTKWave shifts by 15."""
    wave = Wave("h_0", "core.h[15:0]", Format(16, 15))
    far = Wave("sum_0", "core.s", Format(40, 33))
    view = View("core", (Scope("a.b", "engine0_a_b", (Stage("two words", (wave, far, Wave("valid", "core.v"))),)),))
    assert (wave.range, far.range) == ("[0:-15]", "[6:-33]")
    lines = gtkwave_view("waves.vcd", [("core", view)]).splitlines()
    place = lines.index("core.stages.engine0_a_b.h_0[0:-15]")
    assert lines[place - 2 : place] == ["@40000420", "[fpshift_count] 15"]
    assert "+{sum_0 * 2^-33} core.stages.engine0_a_b.sum_0[6:-33]" in lines
    assert surfer_view([("core", view)]).splitlines() == [
        "divider_add a.b:two_words",
        "variable_add core.stages.engine0_a_b.h_0",
        "item_set_format Signed fixed point",
        "variable_add core.stages.engine0_a_b.sum_0",
        "item_set_format Signed fixed point",
        "variable_add core.stages.engine0_a_b.valid",
        "zoom_fit",
    ]
    assert "        wire signed [0:-15] h_0 = core.h[15:0];" in view.verilog().splitlines()


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^Waveforms must be vcd or fst, not lxt\.$"):
        wave_file(tmp_path, "lxt")
    assert wave_file(tmp_path, None) is None


def test_fst_without_its_headers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_FST_HEADERS", ("zlib.h", "a_header_that_is_nowhere.h"))
    with pytest.raises(ToolError, match="apt-get install zlib1g-dev liblz4-dev"):
        compiling.check_fst_headers()


@pytest.mark.verilator
def test_every_stage_of_an_lstm_by_hand(tmp_path: Path) -> None:
    """The first step of one sequence: h is 0 and c is 0, so mathematics is short."""
    design = make_design(tmp_path / "d", [(3, 6)], 0, 8, 16, (4, 4, 2), seed=7)
    x = np.random.default_rng(8).uniform(-1, 1, (1, 3, 3))
    result = simulate(design, x, waves="vcd")
    text = (design.folder / "simulation" / "waves.vcd").read_text()
    found = header(text)
    paths, _, surfer = shown(design.folder)
    assert set(paths) == set(surfer) <= set(found)
    assert not any(".block0" in path for path in found)  # memories and buses are not traced

    scope = "net.stages.engine0_l0."
    layer, (read, *_) = design.quantised.layers[0], design.network.layers
    formats = layer.formats

    def values(sample: dict[str, int], name: str, signed: bool = True) -> float:
        variable = found[scope + name]
        return variable.value(sample[variable.key], signed)

    every = list(samples(text, found["net.stages.aclk"].key))
    valid = {
        name: [sample for sample in every if sample[found[f"{scope}{name}_valid"].key]]
        for name in ("sums", "pre", "gates", "c", "h")
    }
    given = formats.product.x.to_float(formats.product.x.quantise(x[0, 0]))
    weights = formats.product.weight_x.to_float(layer.weight_x)
    lanes = design.plan.engines[0].elements
    first = range(lanes)
    ulp = 2.0**-formats.preactivation.fraction
    for unit in first:
        row = {gate: k * 6 + unit for k, gate in enumerate("ifgo")}
        gates = {}
        for gate, index in row.items():
            # Sums are exact.
            assert values(valid["sums"][0], f"sum_{gate}_{unit}") == weights[index] @ given
            bias = float(read.bias_ih[index] + read.bias_hh[index])
            pre = values(valid["pre"][0], f"pre_{gate}_{unit}")
            assert abs(pre - (weights[index] @ given + bias)) < 4 * ulp
            gates[gate] = values(valid["gates"][0], f"{gate}_{unit}", gate == "g")
            true = math.tanh(pre) if gate == "g" else 1 / (1 + math.exp(-pre))
            assert abs(gates[gate] - true) < 2.0 ** -(formats.gate_fraction - 1)
        c = values(valid["c"][0], f"c_{unit}")
        assert abs(c - gates["i"] * gates["g"]) < 2.0**-formats.c.fraction
        h = values(valid["h"][0], f"h_{unit}")
        assert abs(h - gates["o"] * math.tanh(c)) < 3 * 2.0**-formats.h.fraction
    order = [(s[found[scope + "step"].key], s[found[scope + "unit"].key]) for s in valid["h"]]
    for sample, (step, unit) in zip(valid["h"], order, strict=True):
        for lane in range(min(lanes, 6 - unit)):
            assert values(sample, f"h_{lane}") == result.output[0, step, unit + lane]
    assert [step for step, _ in order] == sorted(step for step, _ in order)
    assert {unit for _, unit in order} == {0, *range(lanes, 4, lanes), *range(4, 6, lanes)}


def design_of(folder: Path, kind: str) -> Design:
    import torch

    torch.manual_seed(1)
    if kind == "gru":
        return generate(torch.nn.GRU(4, 6, batch_first=True), folder, GenerateOptions(multipliers=12))
    if kind == "unrolled":
        model: torch.nn.Module = torch.nn.RNN(3, 4, batch_first=True)
        return generate(model, folder, GenerateOptions(multipliers=28))
    if kind == "directions":
        model = torch.nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        return generate(model, folder, GenerateOptions(multipliers=16))
    if kind == "folded":
        model = torch.nn.LSTM(3, 4, num_layers=2, batch_first=True)
        return generate(model, folder, GenerateOptions(multipliers=4, fold=True))
    raise AssertionError(kind)


@pytest.mark.verilator
@pytest.mark.parametrize("kind", ["gru", "unrolled", "directions", "folded"])
def test_views_of_any_kind(tmp_path: Path, kind: str) -> None:
    """Every name of the views is in the waveform, with its range; the output port's words are the results."""
    design = design_of(tmp_path / "d", kind)
    result = simulate(design, steps=3, waves="vcd")
    text = (design.folder / "simulation" / "waves.vcd").read_text()
    found = header(text)
    paths, ranges, surfer = shown(design.folder)
    assert set(paths) == set(surfer) <= set(found)
    for path, bits in zip(paths, ranges, strict=True):
        width = re.fullmatch(r"\[(-?\d+):(-?\d+)\]", bits)
        assert (int(width[2]), int(width[1]) - int(width[2]) + 1) == (found[path].lowest, found[path].width) if width \
            else found[path].width == 1
    port = f"{design.top}.stages.m_axis_port."
    words = [found[path] for path in paths if path.startswith(f"{port}word_")]
    taken, edges = found[f"{port}beat"].key, samples(text, found[f"{design.top}.stages.aclk"].key)
    beats = [[word.value(sample[word.key]) for word in words] for sample in edges if sample[taken]]
    flat = result.output.reshape(-1, result.output.shape[-1])
    assert len(words) == min(8, design.document["ports"]["m_axis"]["words_per_beat"])
    each = design.document["ports"]["m_axis"]["beats_per_step"]
    assert [beat[0] for beat in beats[::each]] == flat[:, 0].tolist()


SYSTEM = """
[[device]]
name = "left"
multipliers = 8
clock_mhz = 100

[[device]]
name = "right"
multipliers = 8
clock_mhz = 100

[[link]]
from = "left"
to = "right"
word_bits = 64
latency_cycles = 16
"""


def system_of(folder: Path) -> SystemDesign:
    import torch

    torch.manual_seed(1)
    (folder / "system.toml").write_text(SYSTEM)
    model = torch.nn.LSTM(3, 4, num_layers=2, batch_first=True)
    return partition(model, folder / "system.toml", folder / "s", PartitionOptions())


def test_waveforms_of_devices_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^Waveforms are of all devices in one simulation; leave --waves or --apart"):
        simulate_system(system_of(tmp_path), steps=2, apart=True, waves="vcd")
    assert not (tmp_path / "s" / "simulation").exists()


@pytest.mark.verilator
def test_views_of_a_system(tmp_path: Path) -> None:
    """All cores are in one waveform, each in its own place; the last one's words are the results."""
    system = system_of(tmp_path)
    result = simulate_system(system, steps=3, waves="vcd")
    assert result.comparison.cycle_exact
    assert result.figures["waves"] == "simulation/waves.vcd"
    text = (system.folder / "simulation" / "waves.vcd").read_text()
    found = header(text)
    paths, _, surfer = shown(system.folder)
    assert set(paths) == set(surfer) <= set(found)
    assert {path.split(".stages.")[0] for path in paths} == {f"system_bench.device_{k}.core" for k in (0, 1)}
    port = "system_bench.device_1.core.stages.m_axis_port."
    word, taken = found[f"{port}word_0"], found[f"{port}beat"].key
    edges = samples(text, found["system_bench.device_1.core.stages.aclk"].key)
    beats = [word.value(sample[word.key]) for sample in edges if sample[taken]]
    flat = system.quantised.output_format.to_float(result.output).reshape(-1, result.output.shape[-1])
    each = system.designs[1].plan.output_beats
    assert beats[::each] == flat[:, 0].tolist()

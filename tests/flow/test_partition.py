"""Model and system to designs: the devices together compute what one would, and nothing is half-written."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnngen.cli import main
from rnngen.cli.partition import lines
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.emit import system as emit_system
from rnngen.emit.system import SystemDesign
from rnngen.emit.system_document import other_dict
from rnngen.emulate.network import run_values
from rnngen.errors import DesignError, FormatError, ModelError, PlanError, RnngenError
from rnngen.flow import GenerateOptions, PartitionOptions, generate, partition, read_system, simulate
from rnngen.flow.emulate import emulate
from rnngen.ir.quantised import QuantisedNetwork

torch.set_num_threads(1)

SYSTEM = """
[[device]]
name = "left"
multipliers = 24
clock_mhz = 100
[[device]]
name = "middle"
multipliers = 60
clock_mhz = 100
[[device]]
name = "right"
multipliers = 30
memory_bits = 4_000_000
clock_mhz = 125
[chain]
word_bits = 64
latency_cycles = 16
[host]
input = "left"
output = "right"
"""
DEVICES = [Device("left", 10**8, 24), Device("middle", 10**8, 60), Device("right", 125 * 10**6, 30, None, 4_000_000)]
LINK = Link("x", "y", 64, 16)
ENDS = chain(DEVICES, LINK, Host("left", "right"))


class Tagger(torch.nn.Module):
    """Embedding, GRU, an LSTM of two directions, Linear, the name of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(9, 4)
        self.rnn = torch.nn.GRU(4, 6, batch_first=True)
        self.both = torch.nn.LSTM(6, 3, batch_first=True, bidirectional=True)
        self.fc = torch.nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.both(self.rnn(self.table(x))[0])[0]).argmax(-1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("model") / "lstm.safetensors"
    save_file(torch.nn.LSTM(3, 4, 3).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def made(model: Path, tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(model, ENDS, tmp_path_factory.mktemp("made") / "out")


@pytest.fixture
def copied(made: SystemDesign, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(made.folder, tmp_path / "out"))


@pytest.fixture
def system(tmp_path: Path) -> Path:
    path = tmp_path / "system.toml"
    path.write_text(SYSTEM)
    return path


def reals(network: QuantisedNetwork, integers: np.ndarray) -> np.ndarray:
    return integers * 2.0**-network.output_format.fraction


def test_parts_one_behind_the_other_compute_the_whole(tmp_path: Path) -> None:
    torch.manual_seed(1)
    tagger = Tagger().eval()
    x = np.random.default_rng(0).integers(0, 9, (4, 6, 1)).astype(np.float64)
    whole = generate(tagger, tmp_path / "whole", GenerateOptions(multipliers=64, activation_bits=12, calibrate=x))
    parted = partition(tagger, ENDS, tmp_path / "parted", PartitionOptions(activation_bits=12, calibrate=x))
    expected = run_values(whole.quantised, x).output
    back = read_system(tmp_path / "parted")
    assert back.names == parted.names
    assert len(back.names) > 1
    values = x
    for design in back.designs:
        values = emulate(design.folder, values).output
    assert np.array_equal(values[..., 0], expected[..., 0])
    together = emulate(tmp_path / "parted", x)
    assert np.array_equal(together.emulation.output, expected)
    assert together.error == emulate(whole, x).error
    lengths = [6, 3, 1, 2]
    assert np.array_equal(emulate(parted, x, lengths=lengths).output, emulate(whole, x, lengths=lengths).output)
    assert back.document == parted.document
    assert back.partition.interval_ticks == parted.partition.interval_ticks == back.document["step_interval_ticks"]
    assert back.partition.latency_ticks == parted.partition.latency_ticks
    assert back.partition.hops == parted.partition.hops
    assert [part.plan for part in back.partition.parts] == [part.plan for part in parted.partition.parts]
    assert back.system == ENDS


@pytest.mark.verilator
def test_each_part_is_a_design_of_its_own(model: Path, tmp_path: Path) -> None:
    """Circuits of the parts, one behind the other, give the bits of the whole network's emulator."""
    x = np.random.default_rng(0).uniform(-1, 1, (1, 4, 3))
    designs = partition(model, chain(DEVICES[:2], LINK, Host("left", "middle")), tmp_path / "parted").designs
    whole = generate(model, tmp_path / "whole", GenerateOptions(multipliers=64))
    values = x
    for design in designs:
        result = simulate(design.folder, values)
        assert result.comparison.cycle_exact
        assert result.output is not None
        values = result.output
    assert len(designs) == 2
    assert np.array_equal(values, reals(whole.quantised, run_values(whole.quantised, x).output))


def test_what_the_command_says(model: Path, system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out"
    assert main(["partition", str(model), "--system", str(system), "-o", str(target)]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    document = json.loads((target / "system.json").read_text())
    assert [line.split()[0] for line in lines[:4]] == ["device", "left", "middle", "right"]
    assert re.match(r"left +l0 +100 MHz +\d+ cycles +\d+ cycles +\d+\.\d% +\d+ of 24 +[\d,]+$", lines[1])
    assert re.match(r"right +l\d +125 MHz +.* of 4,000,000$", lines[3])
    frame = r"left to middle +64 bits +16 cycles +4 words for 4 values of 16 bits +\d+\.\d%$"
    assert re.match(frame, lines[5])
    interval = 1e6 * document["step_interval_seconds"]
    assert lines[7] == f"Step interval {interval:.2f} us (planned); what binds: {document['binds']}."
    assert lines[8].startswith("Latency ")
    assert lines[8].endswith(" to the last output word, at most, as clocks differ.")
    idle = "would only give on what others compute, which is not offered"
    assert lines[9:11] == [
        f"Over 1 device: none, as devices 'middle' and 'right' {idle}.",
        f"Over 2 devices: none, as device 'middle' {idle}.",
    ]
    assert lines[-1] == f"System: {target}"
    assert sorted(path.name for path in target.iterdir()) == ["left", "middle", "right", "system.json"]
    assert [device["top"] for device in document["devices"]] == ["lstm_left", "lstm_middle", "lstm_right"]


def test_figures_as_json(model: Path, system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(model), "--system", str(system), "-o", str(tmp_path / "out"), "--json", "--goal", "latency"]
    assert main(["partition", *arguments, "--name", "net"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "out/system.json").read_text())
    assert document["goal"] == "latency"
    assert document["devices"][0]["top"] == "net_left"
    links, devices = document["links"], document["devices"]
    assert max([device["load"] for device in devices] + [link["load"] for link in links]) == 1.0


def test_cuts_inside_the_layer_that_binds_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, system = tmp_path / "model.safetensors", tmp_path / "system.toml"
    save_file(torch.nn.LSTM(3, 32).state_dict(), model)
    system.write_text(SYSTEM.replace("multipliers = 60", "multipliers = 24").partition("[host]")[0])
    assert main(["partition", str(model), "--system", str(system), "-o", str(tmp_path / "out")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " cut by rows " in line]
    document = json.loads((tmp_path / "out/system.json").read_text())
    (rows,) = [cut for cut in document["inner_cuts"] if cut["kind"] == "rows"]
    assert (rows["layer"], rows["devices"], rows["generated"]) == ("l0", ["left", "middle"], True)
    assert (rows["exchange"], rows["exchange_values"], rows["exchange_value_bits"]) == ("h", 16, 16)
    assert rows["step_interval_cycles"] < rows["whole_layer_interval_cycles"]
    assert line == (
        f"Layer 'l0' cut by rows over left, middle: {rows['step_interval_cycles']} cycles, "
        f"{rows['whole_layer_interval_cycles']} cycles whole; h over direct links, {rows['link_words']} words a step; "
        f"planned, with a frame a tile, where circuits send one a step."
    )


def test_a_cut_that_was_not_chosen_is_told(made: SystemDesign) -> None:
    """The cut itself, as if another one had won."""
    other = other_dict(made.partition)
    said = lines(replace(made, document=made.document | {"others": [other]}))
    interval, latency = (1e6 * made.document[f"{what}_seconds"] for what in ("step_interval", "latency_last_output"))
    assert (
        f"Over 3 devices: step interval {interval:.2f} us, latency {latency:.2f} us (blocks left 0..0, middle 1..1, "
        f"right 2..2); what binds: {made.document['binds']}."
    ) in said
    assert other["cut"] == "layers"


def test_the_same_input_gives_the_same_bytes(model: Path, made: SystemDesign, tmp_path: Path) -> None:
    again = partition(model, ENDS, tmp_path / "again")
    assert again.document == made.document
    assert (again.folder / "system.json").read_bytes() == (made.folder / "system.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"goal": "area"}, PlanError, "--goal must be interval or latency, not area."),
        ({"max_steps": 0}, PlanError, "--max-steps must be at least 1, not 0."),
        ({"name": "1"}, ModelError, "Name of the network must be a Verilog identifier of 1..64 letters"),
        ({"name": "n" * 60}, ModelError, "Name of the network must be a Verilog identifier of 1..64 letters"),
        ({"weight_bits": 1}, FormatError, "Weight bits must be within 2..18, not 1."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    model: Path, tmp_path: Path, change: dict[str, object], error: type[RnngenError], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        partition(model, ENDS, tmp_path / "out", replace(PartitionOptions(), **change))
    assert list(tmp_path.iterdir()) == []


def test_a_boards_clock_must_be_one_that_its_pll_makes(model: Path, tmp_path: Path) -> None:
    board = Device("u", 133_333_333, 128, 140, 3_833_856, dsp="ecp5", board="ulx3s-85f", pipeline="deep")
    with pytest.raises(PlanError, match="133.333"):
        partition(model, System((board,)), tmp_path / "out")


def test_nothing_is_left_behind_when_writing_fails(
    model: Path, made: SystemDesign, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(emit_system, "json_bytes", fail)
    with pytest.raises(DesignError, match=r"'.*out' cannot be written: No space left on device"):
        partition(model, ENDS, copied, PartitionOptions(weight_bits=6))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert read_system(copied).document == made.document


def test_a_folder_of_somebody_else_is_left_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "system.json").write_text("{}")
    with pytest.raises(DesignError, match="is not empty and was not made by rnngen"):
        partition(model, ENDS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["system.json"]


def test_systems_that_cannot_be_read(made: SystemDesign, copied: Path, tmp_path: Path) -> None:
    target = copied
    with pytest.raises(DesignError, match=re.escape("holds no system.json; make one with 'rnngen partition MODEL "
                                                    "--system SYSTEM.toml -o DIR'.")):  # fmt: skip
        read_system(tmp_path / "none")
    with pytest.raises(DesignError, match="holds a system of several designs; give the folder of one of left, middle"):
        simulate(target)
    path = target / "system.json"
    text = path.read_text()
    path.write_text(text.replace(str(made.designs[0].document["digest"]), "0" * 64))
    with pytest.raises(DesignError, match="left' is not the design that '.*system.json' names; partition the model ag"):
        read_system(target)
    path.write_text(text.replace('"devices"', '"others"'))
    with pytest.raises(DesignError, match="system.json' lacks or garbles 'devices'; partition the model again"):
        read_system(target)
    path.write_text("[")
    with pytest.raises(DesignError, match="cannot be read as JSON"):
        read_system(target)
    path.write_text("[]")
    with pytest.raises(DesignError, match="was not written by rnngen; make a design with 'rnngen partition MODEL"):
        read_system(target)
    path.write_text(text)
    next((target / "middle/rtl").glob("*.hex")).write_text("0\n")
    with pytest.raises(DesignError, match="was changed after the design was generated"):
        read_system(target)

"""The whole top of an iCEBreaker in simulation: weights go through its serial port into single-port RAM, then steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.arith.beats import PortFormat, pack, unpack
from rnngen.build.synthesize import pack_only
from rnngen.emit.design import Design
from rnngen.emulate.network import run_values
from rnngen.errors import DesignError
from rnngen.flow import GenerateOptions, generate, simulate_board, simulate_netlist
from rnngen.frontend import ImportOptions
from rnngen.gateware.context import CoreOptions
from rnngen.gateware.frames import (
    ANSWER,
    ANSWER_BYTES,
    READ,
    RESULT,
    STEP,
    WRITE,
    StreamShape,
    is_sound,
    request,
    with_crc,
)
from rnngen.gateware.loader import LoadableMemory
from rnngen.gateware.parameters import LOADED, image_names
from rnngen.gateware.registers import IDENTITY
from rnngen.gateware.top import loadable_memories
from rnngen.host import SocketTransport
from tests.boards.test_small_devices import gru

SECONDS = 300.0


class Line:
    """The host's side of the serial protocol, no more than this test needs."""

    def __init__(self, transport: SocketTransport, design: Design) -> None:
        self._transport = transport
        self._offsets = {name: entry["offset"] for name, entry in design.document["registers"].items()}
        self._ports = [PortFormat.from_design(design.document["ports"][name]) for name in ("s_axis", "m_axis")]
        self._result = StreamShape.from_design(design.document["ports"]["m_axis"]).frame_bytes
        self._outputs = design.quantised.output_size
        self._tag, self._number = 1, 0  # a request is carried out where its tag follows the last one's

    def write(self, register: str, value: int) -> None:
        self._ask(WRITE, register, value)

    def read(self, register: str) -> int:
        return self._ask(READ, register)

    def _ask(self, kind: int, register: str, value: int = 0) -> int:
        self._transport.write(request(kind, self._tag, self._offsets[register], value))
        answer = self._transport.read(ANSWER_BYTES, SECONDS)
        assert len(answer) == ANSWER_BYTES
        assert is_sound(answer)
        assert (answer[0], answer[1], answer[2]) == (ANSWER | kind, self._tag, 0), register
        self._tag = (self._tag + 1) % 256
        return int.from_bytes(answer[3:7], "little")

    def load(self, memory: LoadableMemory, image: Path) -> None:
        """All words of a memory, as rnngen.gateware.registers.LOADING says."""
        self.write("LOAD_SELECT", memory.engine << 8 | memory.memory)
        self.write("LOAD_ADDRESS", 0)
        words = [int(word, 16) for word in image.read_text().split()]
        assert len(words) == memory.depth
        for word in words:
            for part in range(memory.parts):
                self.write("LOAD_DATA", word >> 32 * part & 0xFFFFFFFF)
        assert self.read("LOAD_STATUS") == memory.depth

    def run(self, sequence: np.ndarray) -> np.ndarray:
        """Integers (steps, outputs) of integers (steps, features)."""
        port_in, port_out = self._ports
        beats, rows = pack([sequence], port_in)[0].reshape(len(sequence), -1), []
        for step, beat in enumerate(beats):
            last = int(step == len(sequence) - 1)
            self._transport.write(with_crc(bytes([STEP | last, self._number]) + beat.tobytes()))
            result = self._transport.read(self._result, SECONDS)
            assert len(result) == self._result
            assert is_sound(result)
            assert (result[0], result[1]) == (RESULT | last, self._number)
            self._number = (self._number + 1) % 256
            body = np.frombuffer(result[2:-2], dtype=np.uint8).reshape(port_out.beats_per_step, -1)
            rows.append(unpack(body, port_out, self._outputs)[0])
        return np.stack(rows)


@pytest.mark.verilator
def test_weights_are_loaded_over_the_serial_port(tmp_path: Path) -> None:
    model = gru(tmp_path, 3, 6)
    options = GenerateOptions(board="icebreaker", activation_bits=8, calibrate=tmp_path / "x.npy", weights="spram")
    design = generate(model, tmp_path / "design", options)
    x = np.load(tmp_path / "x.npy")[:2, :4]
    words = design.quantised.input_format.quantise(x)
    expected = run_values(design.quantised, x).output
    weights = loadable_memories(design.quantised, design.plan, CoreOptions(loadable=True))[0]
    with simulate_board(design) as board, SocketTransport(board.socket) as transport:
        line = Line(transport, design)
        assert line.read("IDENTITY") == IDENTITY
        assert not np.array_equal(line.run(words[0]), expected[0]), "nothing was loaded yet"
        line.write("CONTROL", 0)
        line.load(weights, design.folder / "rtl" / "engine0_weights.hex")
        line.write("CONTROL", 1)
        for sequence, right in zip(words, expected):
            assert np.array_equal(line.run(sequence), right)
        assert line.read("ERRORS") == 0


def with_head(folder: Path) -> Design:
    """A GRU and a Linear layer; two products of a row are added in a cycle."""
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    model.rnn = torch.nn.GRU(8, 16, batch_first=True)
    model.head = torch.nn.Linear(16, 4)
    imports = ImportOptions(select="rnn", head=("head",))
    options = GenerateOptions(
        imports=imports, board="icebreaker", multipliers=2, activation_bits=8, weights="spram", count=False
    )
    return generate(model, folder, options)


@pytest.mark.verilator
def test_the_synthesised_netlist_computes_the_same(tmp_path: Path) -> None:
    """Yosys' ice40_dsp lost one of two products that are added; so all eight are looked for, and what they compute."""
    design = with_head(tmp_path / "design")
    assert design.document["lanes"]["columns"] == 2
    assert pack_only(design.folder)["dsps"] == design.plan.multipliers + 6  # of a GRU's element-wise path
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 8))
    words, expected = design.quantised.input_format.quantise(x), run_values(design.quantised, x).output
    with simulate_netlist(design) as board, SocketTransport(board.socket) as transport:
        line = Line(transport, design)
        line.write("CONTROL", 0)
        for memory in loadable_memories(design.quantised, design.plan, CoreOptions(loadable=True)):
            if LOADED[memory.memory] == "weights":
                line.load(memory, design.folder / "rtl" / image_names(memory.engine)["weights"])
        line.write("CONTROL", 1)
        for sequence, right in zip(words, expected):
            assert np.array_equal(line.run(sequence), right)
        assert line.read("ERRORS") == 0


def test_a_netlist_without_models_of_its_cells_is_refused(tmp_path: Path) -> None:
    design = generate(gru(tmp_path, 3, 6), tmp_path / "design", GenerateOptions(board="ulx3s-85f", count=False))
    with pytest.raises(DesignError, match="board of ecp5, and models of all its cells there are only for ice40"):
        simulate_netlist(design)

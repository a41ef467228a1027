"""The host's end of the protocol on a bridge in memory: what is lost is sent again, and nothing is done twice."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnngen.gateware.frames import StreamShape
from rnngen.host import HostError, LineError, RegisterError, SerialLink

_SPEC = importlib.util.spec_from_file_location("bridge", Path(__file__).parent / "stand_ins" / "bridge.py")
assert _SPEC is not None
assert _SPEC.loader is not None
bridge_module = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bridge_module)
Bridge = bridge_module.Bridge

SHAPE = StreamShape(16, 2)
Fault = Callable[[str, int, bytes], bytes]


def sound(way: str, number: int, frame: bytes) -> bytes:
    return frame


def link_of(fault: Fault = sound, every: bool = True, **options: float):
    def gives(step: bytes, last: bool) -> bytes | None:
        if every:
            return bytes(255 - byte for byte in step)
        return step if last else None

    bridge = Bridge(4, gives, {0: 7, 4: 0, 8: 0})
    link = SerialLink(bridge, SHAPE, SHAPE, timeout=0.2, patience=0.001, every=every)
    link.connect()
    bridge.frames = {"in": 0, "out": 0}
    bridge.fault = fault
    return bridge, link


def garble(way: str, numbers: set[int], lost: bool) -> Fault:
    """Frames of these numbers are lost, or have a wrong bit."""

    def fault(one: str, number: int, frame: bytes) -> bytes:
        if one != way or number not in numbers:
            return frame
        return b"" if lost else frame[:3] + bytes([frame[3] ^ 4]) + frame[4:]

    return fault


def test_steps_in_flight() -> None:
    bridge, link = link_of()
    assert link.window == 8
    for number in range(300):
        link.send(number.to_bytes(4, "little"), last=number == 299)
        assert link.room >= 0
    results = [link.result() for _ in range(300)]
    assert [255 - result.beats[0] + ((255 - result.beats[1]) << 8) for result in results] == list(range(300))
    assert [result.last for result in results] == [False] * 299 + [True]


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("numbers", [{0}, {3}, {2, 3, 9, 20}])
def test_lost_steps_are_sent_again_in_order(lost: bool, numbers: set[int]) -> None:
    bridge, link = link_of(garble("in", numbers, lost))
    for number in range(12):
        link.send(bytes([number, 0, 0, 0]), last=False)
    assert [255 - link.result().beats[0] for _ in range(12)] == list(range(12))
    assert [step[0] for step in bridge.steps] == list(range(12))


def test_only_the_last_step_has_a_result() -> None:
    """The window goes on as the bridge takes steps, which it tells when it is asked."""
    bridge, link = link_of(garble("in", {4}, True), every=False)
    for number in range(40):
        link.send(bytes([number, 0, 0, 0]), last=number == 39)
    assert link.result().beats[0] == 39
    assert len(bridge.steps) == 40


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("number", [1, 3])
def test_a_lost_result_is_an_error(lost: bool, number: int) -> None:
    _, link = link_of(garble("out", {number}, lost))
    for step in range(4):
        link.send(bytes([step, 0, 0, 0]), last=False)

    def receive() -> None:
        for _ in range(4):
            link.result()

    sentence = rf"^A result was lost on the line \(number {number + 1} came where {number} was due\)"
    with pytest.raises(LineError, match=sentence):
        receive()


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize("numbers", [{0}, {1}, {0, 1}, {1, 2, 5}])
def test_registers_over_a_bad_line(way: str, numbers: set[int]) -> None:
    """Each write is carried out once, and every answer is the right one."""
    bridge, link = link_of(garble(way, numbers, lost=False))
    for value in range(6):
        link.write(4, value)
        assert link.read(4) == value
    link.write_all([(8, value) for value in range(100)])
    assert link.read(8) == 99
    assert bridge.written == [(4, value) for value in range(6)] + [(8, value) for value in range(100)]


def test_registers_that_do_not_exist() -> None:
    _, link = link_of()
    with pytest.raises(RegisterError, match=r"^The read of register 0x40 was refused: the accelerator has no such"):
        link.read(0x40)
    with pytest.raises(RegisterError, match=r"^The write of several registers was refused"):
        link.write_all([(4, 1), (0x40, 1), (4, 2)])


def test_nobody_answers() -> None:
    _, link = link_of(lambda way, number, frame: b"")
    with pytest.raises(HostError, match=r"^Nobody answered a request within 0\.2 s: check the port"):
        link.read(0)
    link.send(bytes(4), last=True)
    with pytest.raises(HostError, match=r"^Nobody answered a request within 0\.2 s: check the port"):
        link.result()


def test_an_accelerator_that_gives_nothing() -> None:
    _, link = link_of(every=False)
    link.send(bytes(4), last=False)
    with pytest.raises(HostError, match=r"^The accelerator gave no result within 0\.05 s: check"):
        link.result(0.05)


def test_what_was_cut_off_does_not_hide_an_answer() -> None:
    """Behind a restart: the begin of a result, and then the answer."""
    bridge, link = link_of()
    bridge.out += bytes([0xB0, 0, 1])
    assert link.read(0) == 7


def test_a_board_with_other_steps_is_refused() -> None:
    bridge = Bridge(6, lambda step, last: step, {})
    with pytest.raises(HostError, match=r"takes steps of 6 bytes and the design gives 4: it holds another design"):
        SerialLink(bridge, SHAPE, SHAPE, timeout=0.1).connect()


def test_a_host_needs_numpy_only() -> None:
    """Neither what generates a design nor what simulates one is imported with the host side."""
    heavy = ["amaranth", "cocotb", "torch", "serial", "rnngen.flow", "rnngen.verify", "rnngen.frontend"]
    program = f"import sys, rnngen.host; sys.exit(str([name for name in {heavy} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"

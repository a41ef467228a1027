"""The overlay's device against a stand-in of the pynq package, by its documented interface; not on hardware."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.arith.beats import PortFormat, pack, unpack
from rnngen.emit.design import Design
from rnngen.emulate.network import run_values
from rnngen.errors import DesignError, ToolError
from rnngen.flow import GenerateOptions, emulate, generate
from rnngen.host import HostError, open_device

X = np.random.default_rng(0).uniform(-1, 1, (2, 4, 2))
LOG: list[str] = []


class Buffer(np.ndarray):
    """pynq.allocate's: what is not flushed, or not invalidated, is not seen."""

    def flush(self) -> None:
        LOG.append("flush")

    def invalidate(self) -> None:
        LOG.append("invalidate")

    def freebuffer(self) -> None:
        LOG.append("free")


class Channel:
    """One direction of pynq.lib.dma.DMA."""

    def __init__(self, name: str, done: Any) -> None:
        self.name, self.done, self.error, self.idle = name, done, False, True

    def start(self) -> None:
        LOG.append(f"start {self.name}")

    def stop(self) -> None:
        LOG.append(f"stop {self.name}")

    def transfer(self, buffer: Buffer) -> None:
        LOG.append(f"transfer {self.name}")
        self.done(buffer)


class Overlay:
    """A design in programmable logic: the software model between the channels, and registers."""

    def __init__(self, design: Design, dead: bool = False) -> None:
        self.design, self.dead = design, dead
        self.ip_dict = {"dma_0": {"type": "xilinx.com:ip:axi_dma:7.1"}, "net_0": {"type": "user.org:user:net:1.0"}}
        self.dma_0 = SimpleNamespace(sendchannel=Channel("send", self.given), recvchannel=Channel("receive", self.kept))
        registers = design.document["registers"]
        self.words = {entry["offset"]: entry["reset"] for entry in registers.values()}
        for index in range(4):
            digest = design.document["digest"][8 * index : 8 * index + 8]
            self.words[registers[f"DIGEST{index}"]["offset"]] = int(digest, 16)
        self.net_0 = SimpleNamespace(mmio=SimpleNamespace(read=self.words.__getitem__, write=self.words.__setitem__))

    def kept(self, buffer: Buffer) -> None:
        self.taken = buffer
        self.dma_0.recvchannel.idle = False

    def given(self, buffer: Buffer) -> None:
        if self.dead:
            return
        ports = [PortFormat.from_design(self.design.document["ports"][name]) for name in ("s_axis", "m_axis")]
        words = unpack(np.array(buffer), ports[0], 2)
        output = run_values(self.design.quantised, ports[0].format.to_float(words[None])).output[0]
        self.taken[:] = pack([output], ports[1])[0]
        self.dma_0.recvchannel.idle = True


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    torch.manual_seed(0)
    options = GenerateOptions(lanes=(4, 2, 2), calibrate=X, name="net")
    return generate(nn.LSTM(2, 4, batch_first=True), tmp_path_factory.mktemp("pynq") / "d", options)


def install(monkeypatch: pytest.MonkeyPatch, overlay: Overlay) -> None:
    def allocate(shape: tuple[int, ...], dtype: type) -> Buffer:
        return np.zeros(shape, dtype=dtype).view(Buffer)

    opened = SimpleNamespace(Overlay=lambda bitfile: overlay if bitfile == "net.bit" else None, allocate=allocate)
    monkeypatch.setitem(sys.modules, "pynq", opened)


def test_sequences_over_dma(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Overlay(design))
    with open_device(design, "pynq:net.bit") as device:
        LOG.clear()
        assert np.array_equal(device.run(X), emulate(design, X).output)
        # The receiver listens before the sender speaks, and caches are written and read anew around it.
        assert LOG == 2 * ["flush", "transfer receive", "transfer send", "invalidate", "free", "free"]
        assert np.array_equal(np.stack(list(device.stream(X[0]))), emulate(design, X[:1]).output[0])
        assert device.errors() == ()


def test_a_dead_overlay(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Overlay(design, dead=True))
    with open_device(design, "pynq:net.bit", timeout=0.05) as device:
        with pytest.raises(HostError, match=r"^The accelerator gave no whole sequence within 0\.05 s"):
            device.run(X)
        LOG.clear()
        device.recover()
        assert LOG[:4] == ["stop send", "start send", "stop receive", "start receive"]


def test_another_overlay_is_refused(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = Overlay(design)
    overlay.words[design.document["registers"]["DIGEST2"]["offset"]] ^= 1
    install(monkeypatch, overlay)
    with pytest.raises(DesignError, match=r"^The device holds another design \(digest [0-9a-f]{32}\), not 'net'"):
        open_device(design, "pynq:net.bit")


def test_without_pynq(design: Design, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(ToolError, match=r"needs the package pynq, which is not installed"):
        open_device(design, "pynq:net.bit")


def test_a_place_that_is_none(design: Design) -> None:
    with pytest.raises(DesignError, match=r"^A device must be one of emulator, simulation, .*, not 'moon'\.$"):
        open_device(design, "moon")

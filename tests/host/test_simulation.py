"""The same script on the emulator and on the Verilog in simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.emit.design import Design
from rnngen.flow import GenerateOptions, emulate, generate
from rnngen.host import Device, open_device

pytestmark = pytest.mark.verilator
X = np.random.default_rng(0).uniform(-1, 1, (3, 5, 4))


class LastOf(nn.Module):
    """An LSTM's last output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.lstm(x)
        return y[:, -1]


def script(device: Device) -> dict[str, Any]:
    """What a user types."""
    found: dict[str, Any] = {"all": device.run(X), "one": device.run(X[0])}
    found["lengths"] = device.run(X, lengths=[2, 5, 1])
    found["list"] = np.concatenate(device.run([X[0, :2], X[1, :1]]))
    found["stream"] = np.stack(list(device.stream(X[2])))
    found["live"] = np.stack(list(device.stream(X[2], ahead=1)))
    found["steps"] = [device.counters().steps_in, device.counters().steps_out]
    found["errors"] = device.errors()
    device.clear_counters()
    found["cleared"] = device.counters().steps_in
    device.input_saturations = 0
    device.run(np.full((1, 2, 4), 1e6))
    found["saturated"] = device.input_saturations
    return found


CASES: dict[str, tuple[Any, GenerateOptions]] = {
    "every step": (nn.LSTM(4, 5, batch_first=True), GenerateOptions(lanes=(4, 2, 2))),
    "last step": (LastOf(), GenerateOptions(lanes=(4, 2, 2), calibrate=X)),
    "both directions": (
        nn.GRU(4, 3, batch_first=True, bidirectional=True), GenerateOptions(lanes=(3, 2, 2), max_steps=8)
    ),
    "streams": (nn.RNN(4, 5, batch_first=True), GenerateOptions(lanes=(1, 2, 2), streams=3)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_script_on_both(case: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, options = CASES[case]
    design: Design = generate(model, tmp_path / "d", options)
    with open_device(design, "emulator") as one, open_device(design, "simulation") as two:
        first, second = script(one), script(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.array_equal(value, second[name]), name
    assert np.array_equal(first["all"], emulate(design, X).output)
    assert np.array_equal(first["lengths"], emulate(design, X, lengths=[2, 5, 1]).output)
    assert first["saturated"] == 8

"""Parameters that a running accelerator is given: of another design, or of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.emit.design import Design, parameter_records
from rnngen.emit.load_image import folder_records
from rnngen.errors import DesignError, FormatError, ModelError
from rnngen.flow import FitOptions, GenerateOptions, PruneOptions, checkpoint, emulate, generate, prune_masks
from rnngen.host import open_device
from rnngen.ir.sparse import BankedMask

X = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5))
torch.set_num_threads(1)


def model_of(seed: int) -> nn.LSTM:
    torch.manual_seed(seed)
    return nn.LSTM(5, 7, batch_first=True)


def design_of(folder: Path, seed: int, double_buffer: bool = False) -> Design:
    options = GenerateOptions(
        lanes=(4, 3, 2), loadable=True, double_buffer=double_buffer, calibrate=X, name="net"
    )  # fmt: skip
    return generate(model_of(seed), folder, options)


def test_an_image_for_two_images_holds_one(tmp_path: Path) -> None:
    """What is loaded is the same for a circuit of one image: only the digest differs, and the check with it."""
    one, two = (design_of(tmp_path / str(double), 1, double) for double in (False, True))
    first, second = ((design.folder / "data" / "parameters.bin").read_bytes() for design in (one, two))
    assert first[24:-4] == second[24:-4]
    assert first[8:24] != second[8:24]


@pytest.mark.verilator
def test_another_design_is_loaded_while_this_one_runs(tmp_path: Path) -> None:
    first, second = (design_of(tmp_path / str(seed), seed, True) for seed in (1, 2))
    with open_device(first, "simulation") as device:
        assert np.array_equal(device.run(X), emulate(first, X).output)
        for design in (second, first, second):
            device.load(design)
            assert np.array_equal(device.run(X), emulate(design, X).output)


# A model in a design's formats


class Named(nn.Module):
    """A cell of any kind under other names, behind or before layers of its own."""

    def __init__(self, cell: nn.Module, head: nn.Module | None = None, before: nn.Module | None = None) -> None:
        super().__init__()
        self.before, self.cell, self.head = before, cell, head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cell(x if self.before is None else self.before(x))[0]
        return y if self.head is None else self.head(y)


def of(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(seed)
    return make()


MODELS: dict[str, tuple[Callable[[], nn.Module], GenerateOptions]] = {
    "lstm": (lambda: nn.LSTM(5, 7, batch_first=True), GenerateOptions(lanes=(4, 3, 2), calibrate=X)),
    "gru and head": (
        lambda: Named(nn.GRU(5, 6, batch_first=True), nn.Sequential(nn.Linear(6, 3), nn.Hardsigmoid())),
        GenerateOptions(lanes=(3, 2, 2)),
    ),
    "both directions": (
        lambda: nn.LSTM(5, 4, batch_first=True, bidirectional=True), GenerateOptions(multipliers=20, max_steps=8)
    ),
    "projected": (lambda: nn.LSTM(5, 6, proj_size=4, batch_first=True), GenerateOptions(multipliers=20)),
    "plain": (lambda: nn.RNN(5, 6, batch_first=True), GenerateOptions(multipliers=8, calibrate=X)),
    "symbols": (
        lambda: Named(nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 2), nn.Embedding(9, 4)),
        GenerateOptions(multipliers=20),
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_in_its_own_formats_is_the_design(kind: str, tmp_path: Path) -> None:
    """The model that the design was made of gives its integers, and what is loaded is what the images hold."""
    make, options = MODELS[kind]
    design = generate(of(3, make), tmp_path / "d", replace(options, loadable=True, double_buffer=True))
    again = checkpoint(design, of(3, make))
    for layer, own in zip(again.layers, design.quantised.layers):
        assert layer.formats == own.formats
        assert np.array_equal(layer.weight_x, own.weight_x)
        assert np.array_equal(layer.bias, own.bias)
    assert again.blocks == design.quantised.blocks
    stored = folder_records(design.folder, design.document)
    for record, wanted in zip(parameter_records(design, again), stored, strict=True):
        assert (record.engine, record.memory) == (wanted.engine, wanted.memory)
        assert np.array_equal(record.parts, wanted.parts)


@pytest.mark.parametrize("kind", MODELS)
def test_another_model_is_near_its_float_values(kind: str, tmp_path: Path) -> None:
    """Fine-tuned weights: results are PyTorch's but for the rounding, which leaves the design's own as far off."""
    make, options = MODELS[kind]
    model = of(3, make)
    design = generate(model, tmp_path / "d", replace(options, loadable=True))
    with torch.no_grad():
        for number, weight in enumerate(model.parameters()):
            weight.mul_(0.9 - 0.02 * number)
    x: np.ndarray = np.arange(18).reshape(3, 6) % 9 if kind == "symbols" else X
    given = torch.from_numpy(x) if kind == "symbols" else torch.from_numpy(x).float()
    wanted = model(given)
    wanted = (wanted[0] if isinstance(wanted, tuple) else wanted).detach().numpy()
    with open_device(design, "emulator") as device:
        before = device.run(x[..., None] if kind == "symbols" else x)
        device.load_model(model)
        after = device.run(x[..., None] if kind == "symbols" else x)
    assert np.abs(after - wanted).max() < 0.01 < np.abs(before - wanted).max()


@pytest.mark.verilator
def test_a_model_is_loaded_into_a_circuit_that_runs(tmp_path: Path) -> None:
    """The results are those of a design that was generated of this model, whose formats happen to be the same."""
    first, second = (design_of(tmp_path / str(seed), seed, True) for seed in (1, 2))
    assert [layer.formats for layer in first.quantised.layers] == [layer.formats for layer in second.quantised.layers]
    wanted = emulate(second, X).output
    with open_device(first, "simulation") as device:
        device.load_model(model_of(2))
        assert np.array_equal(device.run(X), wanted)
        device.link.restart()
        device.recover()
        assert np.array_equal(device.run(X), wanted)
        device.load(first)
        assert np.array_equal(device.run(X), emulate(first, X).output)
        with pytest.raises(ModelError, match="has weight_ih"):
            device.load_model(nn.LSTM(6, 7, batch_first=True))
        assert np.array_equal(device.run(X), emulate(first, X).output)


def scaled(factor: float, *names: str) -> nn.LSTM:
    model = model_of(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith(names):
                weight.mul_(factor)
    return model


REFUSED: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: nn.LSTM(6, 7, batch_first=True), r"has weight_ih \(28, 5\), and that of the model \(28, 6\); load"),
    (lambda: nn.GRU(5, 7, batch_first=True), r"of the design has cell lstm, and that of the model gru; load"),
    (
        lambda: Named(nn.LSTM(5, 7, batch_first=True), nn.Linear(7, 2)),
        r"^The design has the layers Recurrent, and the model Recurrent, Linear; load a model of the same structure\.$",
    ),
    (lambda: scaled(8.0, "weight_hh"), r"has weights of h of up to 3\.\d+, which the format of the design, up to 0\."),
    (lambda: scaled(8.0, "weight_ih"), r"has weights of x of up to 3\.\d+, which the format of the design, up to 0\."),
    (lambda: scaled(8.0, "bias"), r"has biases of up to \d\.\d+, which the format of the design, up to 1, is too"),
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED, ids=["x", "cell", "head", "of h", "of x", "biases"])
def test_what_the_circuit_cannot_hold_is_refused(
    make: Callable[[], nn.Module], sentence: str, tmp_path: Path
) -> None:
    design = design_of(tmp_path / "d", 1)
    with (
        open_device(design, "emulator") as device, pytest.raises((ModelError, FormatError), match=sentence)
    ):  # fmt: skip
        device.load_model(make())


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    design = generate(model_of(1), tmp_path / "d", GenerateOptions(lanes=(4, 3, 2), name="net"))
    with open_device(design) as device, pytest.raises(DesignError, match=r"^'net' cannot be loaded; .* --loadable\.$"):
        device.load_model(model_of(2))


def masked(seed: int, masks: dict[str, BankedMask]) -> nn.LSTM:
    model = model_of(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in masks:
                weight.mul_(torch.tensor(masks[name].mask))
    return model


def test_masks_stay(tmp_path: Path) -> None:
    """A checkpoint that was trained on with its masks fits; a weight that is no longer 0 does not."""
    masks = prune_masks(model_of(1), PruneOptions(1, Fraction(2, 5), Fraction(3, 7)))
    options = GenerateOptions(lanes=(4, 2, 1), banks=FitOptions(1), loadable=True, calibrate=X, name="net")
    design = generate(masked(1, masks), tmp_path / "d", options)
    assert design.quantised.layers[0].banks == 1
    other = masked(2, masks)
    with open_device(design) as device:
        device.load_model(other)
        wanted = other(torch.from_numpy(X).float())[0].detach().numpy()
        assert np.abs(device.run(X) - wanted).max() < 0.01
        with pytest.raises(ModelError, match=r"weights of x that are not 0 where the design multiplies none: prune"):
            device.load_model(model_of(2))
    stored = folder_records(design.folder, design.document)
    again = parameter_records(design, checkpoint(design, masked(1, masks)))
    assert [record.parts.tolist() for record in again] == [record.parts.tolist() for record in stored]

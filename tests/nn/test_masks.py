"""Masks in a user's own loop: against masked copies, hand-worked schedules, every kind of optimiser."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

from rnngen.errors import ModelError
from rnngen.frontend import load
from rnngen.ir.network import parameters
from rnngen.nn import CubicSchedule, GradualPruning, hold_mask, maskable, masks_of, release_masks, released_copy

torch.set_num_threads(1)

OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.05, momentum=0.9),
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Model(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.rnn = getattr(torch.nn, cell)(3, 4, 2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def random_masks(model, part=0.5):
    return {name: torch.rand(model.get_parameter(name).shape) < part for name in maskable(model)}


def masked_copy(model, masks):
    """By hand: the elements multiplied away in a plain copy."""
    plain = copy.deepcopy(model)
    with torch.no_grad():
        for name, keep in masks.items():
            plain.get_parameter(name).mul_(keep)
    return plain


def hold_all(model, masks):
    for name, keep in masks.items():
        hold_mask(model, name, keep)


def train(model, optimiser, steps=5):
    x, y = torch.rand(6, 5, 3), torch.rand(6, 5, 2)
    for _ in range(steps):
        optimiser.zero_grad()
        (model(x) - y).square().mean().backward()
        optimiser.step()


def test_maskable_weights():
    names = maskable(Model("LSTM"))
    assert names[0] == "rnn.weight_ih_l0"
    ends = [f"{half}_l{k}{way}" for half in ("ih", "hh") for k in (0, 1) for way in ("", "_reverse")]
    assert sorted(names) == sorted(["head.weight", *(f"rnn.weight_{end}" for end in ends)])
    assert maskable(torch.nn.LSTM(3, 4, proj_size=2)) == ["weight_ih_l0", "weight_hh_l0", "weight_hr_l0"]
    assert maskable(torch.nn.GRUCell(3, 4)) == ["weight_ih", "weight_hh"]


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_forward_and_gradients_are_those_of_a_masked_copy(cell):
    model = Model(cell)
    masks = random_masks(model)
    plain = masked_copy(model, masks)
    hold_all(model, masks)
    x = torch.rand(6, 5, 3)
    for module in (model, plain):
        module(x).square().sum().backward()
    assert torch.equal(model(x), plain(x))
    for name, keep in masks.items():
        path, _, leaf = name.rpartition(".")
        own = model.get_submodule(path).parametrizations[leaf].original.grad
        assert torch.equal(own, plain.get_parameter(name).grad * keep)
        assert not own[~keep].any()


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_masked_elements_stay_zero_with_every_optimiser(cell, kind):
    model = Model(cell)
    optimiser = OPTIMISERS[kind](model.parameters())
    train(model, optimiser, 2)  # momentum of what is masked later
    masks = random_masks(model)
    before = {name: model.get_parameter(name).detach().clone() for name in masks}
    parameters = dict(model.named_parameters())
    names = list(model.state_dict())
    hold_all(model, masks)
    train(model, optimiser)
    release_masks(model)
    assert list(model.state_dict()) == names
    assert type(model.rnn) is getattr(torch.nn, cell)
    assert masks_of(model) == {}
    for name, keep in masks.items():
        weight = model.get_parameter(name)
        assert weight is parameters[name]
        assert weight.requires_grad
        assert not weight[~keep].any()
        assert not torch.signbit(weight[~keep]).any()
        assert (weight[keep] != before[name][keep]).all()  # and all others are trained
    x = torch.rand(6, 5, 3)
    assert torch.equal(model(x), copy.deepcopy(model)(x))
    train(model, optimiser, 1)  # the optimiser goes on with the same parameters
    assert model.rnn.weight_hh_l0[~masks["rnn.weight_hh_l0"]].any()


def test_a_mask_is_replaced():
    model = Model("LSTM")
    first, second = random_masks(model), random_masks(model)
    plain = masked_copy(model, second)
    hold_all(model, first)
    x = torch.rand(6, 5, 3)
    model(x)
    hold_all(model, second)
    assert all(torch.equal(keep, second[name]) for name, keep in masks_of(model).items())
    assert len(masks_of(model)) == len(second)
    assert torch.equal(model(x), plain(x))


def test_a_mask_may_be_a_read_only_array():
    model = torch.nn.Linear(2, 2)
    keep = np.array([[True, False], [False, True]])
    keep.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hold_mask(model, "weight", keep)
    assert ((model.weight != 0).numpy() == keep).all()


def test_released_copy_leaves_the_model_alone():
    model = Model("LSTM")
    masks = random_masks(model)
    hold_all(model, masks)
    x = torch.rand(6, 5, 3)
    y = model(x)  # with a graph: PyTorch itself does not copy a parametrised LSTM now
    plain = released_copy(model)
    assert torch.equal(plain(x), y)
    assert list(plain.state_dict()) == list(Model("LSTM").state_dict())
    assert set(masks_of(model)) == set(masks)
    second = released_copy(plain)
    assert torch.equal(second(x), y)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert not torch.equal(model(x), y)
    assert torch.equal(plain(x), y)


@pytest.mark.parametrize("alone", [False, True])
def test_a_model_is_imported_with_its_masks(alone):
    model = Model("LSTM")
    x = torch.rand(6, 5, 3)
    model = model.rnn if alone else model
    masks = random_masks(model)
    plain = masked_copy(model, masks)
    hold_all(model, masks)
    model(x)
    imported, expected = load(model), load(plain)
    for layer, other in zip(imported.layers, expected.layers):
        pairs = zip(parameters(layer).values(), parameters(other).values())
        assert all(np.array_equal(one, two) for one, two in pairs)
    assert set(masks_of(model)) == set(masks)


def test_what_is_masked_may_be_no_number():
    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    hold_mask(model, "weight", torch.tensor([[False, True]]))
    assert torch.isfinite(model(torch.ones(2))).all()


def test_cubic_schedule_by_hand():
    schedule = CubicSchedule(final=0.8, initial=0.0, begin=10, updates=4, every=5)
    # 0.8 (1 - (1 - k/4)^3) for k = 0 .. 4
    assert [schedule.sparsity(t) for t in (10, 15, 20, 25, 30)] == pytest.approx([0.0, 0.4625, 0.7, 0.7875, 0.8])
    assert [schedule.sparsity(t) for t in (0, 9, 14, 31, 1000)] == pytest.approx([0.0, 0.0, 0.0, 0.8, 0.8])
    assert [t for t in range(100) if schedule.due(t)] == [10, 15, 20, 25, 30]
    assert CubicSchedule(0.9, 0.5, 0, 2, 1).sparsity(1) == pytest.approx(0.9 - 0.4 / 8)


def test_gradual_pruning():
    def smallest(name, weight, sparsity):
        """Unstructured: that part of the elements which is smallest."""
        keep = torch.ones(weight.numel(), dtype=torch.bool)
        keep[weight.abs().flatten().argsort()[: round(sparsity * weight.numel())]] = False
        return keep.reshape(weight.shape)

    model = Model("GRU")
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    pruning = GradualPruning(model, ["rnn.weight_hh_l0", "head.weight"], smallest, CubicSchedule(0.75, 0.0, 2, 2, 3))
    zeros, before = [], torch.zeros(0, dtype=torch.bool)
    for _ in range(10):
        zeros.append(int((model.rnn.weight_hh_l0 == 0).sum()))
        now = model.rnn.weight_hh_l0.detach().flatten() == 0
        assert before.numel() == 0 or now[before].all()  # what was masked stays so
        before = now
        train(model, optimiser, 1)
        pruning.step()
    # 48 weights; steps 2, 5 and 8: 0, 0.75 (1 - 1/8), 0.75
    assert zeros == [0, 0, 0, 0, 0, 32, 32, 32, 36, 36]
    assert pruning.sparsity == 0.75
    assert set(masks_of(model)) == {"rnn.weight_hh_l0", "head.weight"}


@pytest.mark.parametrize(
    ("name", "keep", "message"),
    [
        ("rnn.weight", torch.ones(1, dtype=torch.bool), r"^The model has no parameter 'rnn\.weight' to mask; its"),
        ("head.weight", torch.ones(8, 2, dtype=torch.bool), r"bool of the shape \(2, 8\), not torch\.bool"),
        ("head.weight", torch.ones(2, 8), r"^The mask of 'head\.weight' must be bool .* not torch\.float32"),
    ],
)
def test_masks_that_do_not_match(name, keep, message):
    with pytest.raises(ModelError, match=message):
        hold_mask(Model("LSTM"), name, keep)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"final": 1.1}, r"must rise within 0\.\.1, not from 0 to 1\.1"),
        ({"final": 0.5, "initial": 0.6}, r"not from 0\.6 to 0\.5"),
        ({"final": 0.5, "updates": 0}, r"^A schedule's updates must be at least 1, not 0\.$"),
        ({"final": 0.5, "every": 0}, "every"),
        ({"final": 0.5, "begin": -1}, "begin"),
    ],
)
def test_schedules_that_are_none(values, message):
    with pytest.raises(ModelError, match=message):
        CubicSchedule(**values)

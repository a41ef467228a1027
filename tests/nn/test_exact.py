"""The arithmetic on tensors against rnngen.arith, exhaustively at small widths."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

from rnngen.arith.activation import make_tanh_table
from rnngen.arith.format import Format, round_shift
from rnngen.nn.exact import Table, floor, quantise, saturate

torch.set_num_threads(1)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("fraction", [-2, 0, 3, 9])
@pytest.mark.parametrize("signed", [True, False])
def test_quantise_is_that_of_the_format(width, fraction, signed):
    """All eighths of a unit in the last place, and a unit around each limit more than the format has."""
    target = Format(width, fraction, signed)
    eighths = np.arange(8 * (target.minimum - 2), 8 * (target.maximum + 2) + 1) / 8
    real = eighths * target.step
    values = torch.tensor(real, requires_grad=True)
    result = quantise(values, target)
    assert np.array_equal(result.detach().numpy(), target.quantise(real))
    result.sum().backward()
    inside = (np.floor(eighths + 0.5) >= target.minimum) & (np.floor(eighths + 0.5) <= target.maximum)
    assert np.array_equal(values.grad.numpy(), inside * 2.0**fraction)


@pytest.mark.parametrize("shift", range(-3, 6))
def test_rounding_shift_is_that_of_the_arithmetic(shift):
    integers = np.arange(-300, 301)
    through = floor(torch.tensor(integers, dtype=torch.float64) * 2.0**-shift + 0.5)
    assert np.array_equal(through.numpy(), round_shift(integers, shift))


def test_floor_is_exact_up_to_53_bits():
    random = np.random.default_rng(0)
    integers = random.integers(-(2**52), 2**52, 10_000)
    values = integers.astype(np.float64) / 2.0 ** random.integers(0, 53, 10_000)
    tensor = torch.tensor(values, requires_grad=True)
    result = floor(tensor)
    assert np.array_equal(result.detach().numpy(), np.floor(values))
    result.sum().backward()
    assert (tensor.grad == 1).all()


def test_saturation_passes_gradients_up_to_its_limits():
    values = torch.tensor([-9.0, -8.0, 0.0, 7.0, 8.0], dtype=torch.float64, requires_grad=True)
    result = saturate(values, -8, 7)
    assert result.tolist() == [-8, -8, 0, 7, 7]
    result.sum().backward()
    assert values.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(("in_width", "in_fraction", "out_fraction"), [(4, 1, 3), (6, 2, 4), (10, 6, 8), (12, 8, 10)])
def test_table_is_that_of_the_arithmetic_with_the_slope_of_tanh(in_width, in_fraction, out_fraction):
    table = make_tanh_table(in_width, in_fraction, out_fraction)
    low, high = -(1 << (in_width - 1)), (1 << (in_width - 1)) - 1
    inputs = np.arange(low - 5, high + 6)
    values = torch.tensor(inputs, dtype=torch.float64, requires_grad=True)
    result = Table(table)(values)
    assert np.array_equal(result.detach().numpy(), table.evaluate(np.clip(inputs, low, high)))
    result.sum().backward()
    for n, slope in zip(inputs.tolist(), values.grad.tolist()):
        exact = mpmath.sech(mpmath.ldexp(n, -in_fraction)) ** 2 * mpmath.ldexp(1, out_fraction - in_fraction)
        assert slope == (pytest.approx(float(exact), rel=1e-9, abs=1e-9) if low <= n <= high else 0.0)

"""The emulator against PyTorch's float network: the error bounds promised for whole layers.

PyTorch's default initial weights of a fixed seed, inputs uniform in [-1, 1], 20 steps.  At 8-bit weights the
error depends on the seed (rounding the weights alone makes most of it); seed 0 is the documented one.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnngen.emulate.network import run_values
from rnngen.ir.network import Network, RecurrentLayer
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)

SEED = 0
SEQUENCES = 4
BOUNDS = {16: (2e-4, 5e-5), 8: (1e-3, 2e-4)}
FIELDS = {"weight_ih": "weight_ih_l0", "weight_hh": "weight_hh_l0", "bias_ih": "bias_ih_l0", "bias_hh": "bias_hh_l0"}


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("inputs, hidden", [(6, 20), (16, 128), (64, 256), (64, 1024)])
@pytest.mark.parametrize("weight_bits", [16, 8])
def test_error_against_pytorch(weight_bits: int, inputs: int, hidden: int, calibrated: bool) -> None:
    torch.manual_seed(SEED)
    module = torch.nn.LSTM(inputs, hidden, batch_first=True)
    arrays = {field: getattr(module, name).detach().numpy().astype(np.float64) for field, name in FIELDS.items()}
    network = Network("n", (RecurrentLayer("l", "lstm", **arrays),))
    x = np.random.default_rng(SEED).uniform(-1, 1, (SEQUENCES, 20, inputs))
    quantised = quantise(network, weight_bits, 16, x if calibrated else None)
    got = quantised.output_format.to_float(run_values(quantised, x).output)
    with torch.no_grad():
        wanted = module.double()(torch.from_numpy(x))[0].numpy()
    error = np.abs(got - wanted)
    largest, mean = BOUNDS[weight_bits]
    assert error.max() <= largest
    assert error.mean() <= mean

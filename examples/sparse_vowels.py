"""Prune the speaker classifier of japanese_vowels.py to banks, and train it on: what is won back, and beside what else?

    python examples/sparse_vowels.py                 # 50 .. 93.75 % of the recurrent weights: three kinds of masks
    python examples/sparse_vowels.py --exact 4 8     # and through the exact arithmetic of a circuit of so many bits

The first table has the test accuracy of the pruned network as it is and fine-tuned, with masks that keep as many
weights of W_hh (4 * 80 rows of 80): the largest of each bank (bank-balanced, Cao et al. FPGA 2019), the largest
anywhere (unstructured), and the largest blocks of 4 x 4.  W_ih has 12 columns and stays dense, as does the head.  Masks
become sparser on the cubic schedule of Zhu & Gupta 2017 during the first half of the fine-tuning.  The accuracy of the
dense network, trained on as long as the others, stands above.

The second one has the accuracy in the circuit, by weight and activation bits: of the float network with its parameters
narrowed, and trained on through the exact arithmetic.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from japanese_vowels import BATCH, Classifier, Split, accuracy, evaluate, fit, load_data, train

from rnngen.errors import RnngenError
from rnngen.flow import GenerateOptions, exact_network
from rnngen.nn import CubicSchedule, GradualPruning, hold_mask, release_masks
from rnngen.passes.prune import bank_mask, block_mask, nearest_kept, unstructured_mask

HIDDEN = 80
WEIGHT = "lstm.weight_hh_l0"
GATES = 4
BLOCK = (4, 4)
RATE = 3e-3
EXACT_RATE = 1e-3


@dataclass(frozen=True)
class Ratio:
    """A sparsity of W_hh and its banks: each ratio leaves whole weights in a bank."""

    sparsity: float
    banks: int


RATIOS = (Ratio(0.5, 10), Ratio(0.75, 10), Ratio(0.875, 10), Ratio(0.9, 8), Ratio(0.9375, 5))
Choose = Callable[[str, torch.Tensor, float], np.ndarray]


def kept_in_row(ratio: Ratio, sparsity: float) -> int:
    """Weights that a row keeps on the way to a ratio: whole ones in each bank."""
    kept = nearest_kept(sparsity, HIDDEN, ratio.banks)
    return ratio.banks * max(1, kept)


def masks(ratio: Ratio) -> dict[str, Choose]:
    """How each kind chooses a mask; all keep as many weights."""

    def banks(name: str, weight: torch.Tensor, sparsity: float) -> np.ndarray:
        kept = kept_in_row(ratio, sparsity) // ratio.banks
        return bank_mask(weight.double().numpy(), ratio.banks, kept, gates=GATES).mask

    def anywhere(name: str, weight: torch.Tensor, sparsity: float) -> np.ndarray:
        return unstructured_mask(weight.double().numpy(), len(weight) * kept_in_row(ratio, sparsity))

    def blocks(name: str, weight: torch.Tensor, sparsity: float) -> np.ndarray:
        kept = len(weight) * kept_in_row(ratio, sparsity) // (BLOCK[0] * BLOCK[1])
        return block_mask(weight.double().numpy(), BLOCK, kept)

    return {"banks": banks, "unstructured": anywhere, "blocks": blocks}


def pruned(dense: Classifier, choose: Choose, ratio: Ratio) -> Classifier:
    """A copy with a mask, not trained on."""
    model = copy.deepcopy(dense)
    hold_mask(model, WEIGHT, choose(WEIGHT, model.lstm.weight_hh_l0.detach(), ratio.sparsity))
    release_masks(model)
    return model


def fine_tuned(dense: Classifier, data: Split, choose: Choose, ratio: Ratio, epochs: int, seed: int) -> Classifier:
    """A copy whose mask becomes sparser while it is trained, and is held then."""
    model = copy.deepcopy(dense).train()
    steps = epochs * -(-len(data.labels) // BATCH)
    schedule = CubicSchedule(ratio.sparsity, begin=0, updates=max(1, steps // 8), every=4)
    pruning = GradualPruning(model, [WEIGHT], choose, schedule)
    fit(model, data, epochs, RATE, seed, behind_step=pruning.step)
    release_masks(model)
    zeros = 1 - float((model.lstm.weight_hh_l0 != 0).double().mean())
    assert abs(zeros - ratio.sparsity) < 1e-9, zeros
    return model.eval()


def trained_on(dense: Classifier, data: Split, epochs: int, seed: int) -> Classifier:
    """A copy trained on without a mask."""
    model = copy.deepcopy(dense).train()
    fit(model, data, epochs, RATE, seed)
    return model.eval()


def in_circuit(model: Classifier, options: GenerateOptions, test: Split) -> float:
    """Test accuracy of the circuit that ``generate`` makes with the same options."""
    with torch.no_grad():
        return accuracy(exact_network(model, options)(torch.from_numpy(test.features)).numpy(), test)


def trained_through(model: Classifier, data: Split, options: GenerateOptions, epochs: int, seed: int) -> Classifier:
    """A copy trained on through the exact arithmetic; weights that are 0 stay so."""
    model = copy.deepcopy(model).train()
    hold_mask(model, WEIGHT, model.lstm.weight_hh_l0.detach() != 0)
    fit(model, data, epochs, EXACT_RATE, seed, forward=exact_network(model, options))
    release_masks(model)
    return model.eval()


def compare_masks(data: Split, test: Split, dense: list[Classifier], epochs: int) -> dict[Ratio, list[Classifier]]:
    """Prints the first table; returns the bank-balanced networks."""
    print("W_hh zeros  banks  " + "".join(f"{kind:>22}" for kind in ("banks", "unstructured", "blocks 4x4")))
    print(" " * 19 + 3 * f"{'pruned  fine-tuned':>22}")
    made = {}
    for ratio in RATIOS:
        line = f"{100 * ratio.sparsity:>9.4g} %  {ratio.banks:>5}  "
        for kind, choose in masks(ratio).items():
            tuned = [fine_tuned(model, data, choose, ratio, epochs, seed) for seed, model in enumerate(dense)]
            if kind == "banks":
                made[ratio] = tuned
            before = np.mean([evaluate(pruned(model, choose, ratio), test) for model in dense])
            line += f"{before:>12.4f}{np.mean([evaluate(model, test) for model in tuned]):>10.4f}"
        print(line, flush=True)
    return made


def compare_exact(
    data: Split, test: Split, networks: dict[str, list[Classifier]], bits: tuple[int, int], epochs: int
) -> None:
    """Prints the second table."""
    options = GenerateOptions(calibrate=data.features, weight_bits=bits[0], activation_bits=bits[1])
    print(f"\nin the circuit, {bits[0]}-bit weights and {bits[1]}-bit activations, bank-balanced")
    print(f"{'W_hh zeros':>10}{'float':>10}{'narrowed':>10}{'trained through':>17}")
    for name, models in networks.items():
        through = [trained_through(model, data, options, epochs, seed) for seed, model in enumerate(models)]
        figures = (
            np.mean([evaluate(model, test) for model in models]),
            np.mean([in_circuit(model, options, test) for model in models]),
            np.mean([in_circuit(model, options, test) for model in through]),
        )
        print(f"{name:>10}{figures[0]:>10.4f}{figures[1]:>10.4f}{figures[2]:>17.4f}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Train dense networks, prune them, train on, print."""
    parser = argparse.ArgumentParser(description="Prune an LSTM trained on JapaneseVowels, and train it on.")
    parser.add_argument("--seeds", type=int, default=1, help="networks that each figure is the mean of (default 1)")
    parser.add_argument("--epochs", type=int, default=20, help="passes of the fine-tuning (default 20)")
    parser.add_argument("--dense-epochs", type=int, default=30, help="passes of the dense training (default 30)")
    parser.add_argument(
        "--exact", type=int, nargs=2, metavar=("WEIGHTS", "ACTIVATIONS"), help="bits of a circuit to train through"
    )
    options = parser.parse_args(arguments)
    try:
        data, test = load_data()
        dense = [train(data, HIDDEN, options.dense_epochs, seed) for seed in range(options.seeds)]
        longer = [trained_on(model, data, options.epochs, seed) for seed, model in enumerate(dense)]
        figures = [np.mean([evaluate(model, test) for model in models]) for models in (dense, longer)]
        print(f"{options.seeds} networks, {len(test.labels)} test sequences")
        print(f"dense {figures[0]:.4f}, trained on as long as the others {figures[1]:.4f}\n", flush=True)
        made = compare_masks(data, test, dense, options.epochs)
        if options.exact is not None:
            networks = {"0 %": longer} | {f"{100 * ratio.sparsity:.4g} %": models for ratio, models in made.items()}
            compare_exact(data, test, networks, tuple(options.exact), max(1, options.epochs // 4))
    except RnngenError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a user trains with: modules used as torch.nn.LSTM is, masks that hold weights at 0, the exact arithmetic."""

from rnngen.nn.exact_network import ExactNetwork
from rnngen.nn.factorised import FactorisedLSTM
from rnngen.nn.grouped import GroupedLSTM
from rnngen.nn.masks import (
    CubicSchedule,
    GradualPruning,
    Mask,
    hold_mask,
    maskable,
    masks_of,
    release_masks,
    released_copy,
)

__all__ = [
    "CubicSchedule",
    "ExactNetwork",
    "FactorisedLSTM",
    "GradualPruning",
    "GroupedLSTM",
    "Mask",
    "hold_mask",
    "maskable",
    "masks_of",
    "release_masks",
    "released_copy",
]

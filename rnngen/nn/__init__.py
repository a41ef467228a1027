"""What a user trains with: modules used as torch.nn.LSTM is, and masks that hold weights at 0."""

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

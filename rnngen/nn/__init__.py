"""Modules that a user trains with: plain PyTorch, used as torch.nn.LSTM is."""

from rnngen.nn.factorised import FactorisedLSTM
from rnngen.nn.grouped import GroupedLSTM

__all__ = ["FactorisedLSTM", "GroupedLSTM"]

"""What the recurrent modules share: torch.nn.LSTM's interface around a loop over time."""

from __future__ import annotations

from abc import abstractmethod

import torch

from rnngen.errors import ModelError

State = tuple[torch.Tensor, torch.Tensor]
"""h and c."""


def check_size(module: str, label: str, size: int, divisor: int = 1) -> None:
    """Raise ModelError unless a size is a whole number of at least 1 that ``divisor`` divides."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ModelError(f"{module}: {label} must be a whole number of at least 1, not {size!r}.")
    if size % divisor:
        raise ModelError(
            f"{module}: {label} must be a multiple of groups ({divisor}), not {size}; "
            f"choose another size or another number of groups."
        )


class SequenceModule(torch.nn.Module):
    """One LSTM-like layer of one direction; forward as torch.nn.LSTM's.

    A subclass gives the loop over time (``_run``); its constructor has checked the sizes.
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, batch_first: bool) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.batch_first = batch_first

    @abstractmethod
    def _run(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, State]:
        """y (T, B, output) and the last h and c, of x (T, B, I), h (B, output) and c (B, H)."""

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Run over a sequence.

        Args:
            x: (T, B, I), with ``batch_first`` (B, T, I), or one sequence (T, I); at least one step.
            state: h_0 (1, B, output) and c_0 (1, B, H), for one sequence (1, output) and (1, H);
                zeros if omitted.

        Returns:
            y, as x but with ``output`` words a step; and (h_n, c_n), shaped as ``state``.

        Raises:
            ModelError: if x or state is not what it should be.
        """
        self._check_input(x)
        alone = x.dim() == 2
        if alone:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        h, c = self._start(x, state, alone)
        y, (h_n, c_n) = self._run(x, h, c)
        if alone:
            return y.squeeze(1), (h_n, c_n)
        return y.transpose(0, 1) if self.batch_first else y, (h_n.unsqueeze(0), c_n.unsqueeze(0))

    def _check_input(self, x: torch.Tensor) -> None:
        label = type(self).__name__
        if not isinstance(x, torch.Tensor):
            raise ModelError(
                f"{label}: input must be a tensor, not a {type(x).__name__}; "
                f"run packed sequences one by one, or pad them and take each one's own last step."
            )
        shape = tuple(x.shape)
        if len(shape) not in (2, 3) or shape[-1] != self.input_size:
            order = "batch, steps" if self.batch_first else "steps, batch"
            raise ModelError(
                f"{label}: input must have the shape ({order}, {self.input_size}) or (steps, {self.input_size}), "
                f"not {shape}."
            )
        if shape[1 if self.batch_first and len(shape) == 3 else 0] == 0:
            raise ModelError(f"{label}: input must have at least one step, not the shape {shape}.")

    def _start(self, x: torch.Tensor, state: State | None, alone: bool) -> State:
        """h (B, output) and c (B, H) before the first step."""
        batch = x.shape[1]
        if state is None:
            return x.new_zeros(batch, self.output_size), x.new_zeros(batch, self.hidden_size)
        for label, array, size in zip(("h_0", "c_0"), state, (self.output_size, self.hidden_size)):
            expected = (1, size) if alone else (1, batch, size)
            if tuple(array.shape) != expected:
                raise ModelError(
                    f"{type(self).__name__}: {label} must have the shape {expected}, not {tuple(array.shape)}."
                )
        h, c = state
        return (h, c) if alone else (h[0], c[0])


def lstm_update(z: torch.Tensor, c: torch.Tensor) -> State:
    """m = o * tanh(c') and c' = f * c + i * g from pre-activations z; gates i, f, g, o along the last dimension."""
    i, f, g, o = z.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c

"""F-LSTM: an LSTM whose big matrix is the product of two small ones."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from rnngen.errors import ModelError
from rnngen.nn.sequence import SequenceModule, State, check_size, lstm_update


class FactorisedLSTM(SequenceModule):
    """F-LSTM, Kuchaiev & Ginsburg 2017 ("Factorization tricks for LSTM networks", arXiv 1703.10722), section 2.2.

    An LSTM's affine map T = W [x, h] + b is replaced by W2 W1 [x, h] + b: the bias stands on W2 alone and nothing
    non-linear stands between them.  The paper starts from an LSTM with projection; this one has none.

        v_t = weight_in x_t + weight_rec h_(t-1)                          (r)
        z_t = weight_out v_t + bias = [z_i, z_f, z_g, z_o]                (4 * H)
        c_t = sigmoid(z_f) * c_(t-1) + sigmoid(z_i) * tanh(z_g)           (H)
        h_t = y_t = sigmoid(z_o) * tanh(c_t)                              (H)

    Multiply-accumulates a step: r (I + H) + 4 H r, fewer than the LSTM's 4 H (I + H) if
    r < 4 H (I + H) / (4 H + I + H).

    Args:
        input_size: I.  hidden_size: H.
        rank: r, the inner size; at most min(4 * H, I + H), because a larger one adds nothing.
        bias: Whether there is a bias.
        batch_first: Whether input and output are (batch, steps, words) and not (steps, batch, words).
        device, dtype: Of the parameters.

    Attributes:
        weight_in: (r, I).  weight_rec: (r, H).  weight_out: (4 * H, r).  bias: (4 * H,) or None.

    Raises:
        ModelError: if a size is out of range.
    """

    bias: torch.nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rank: int,
        bias: bool = True,
        batch_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        for label, size in (("input_size", input_size), ("hidden_size", hidden_size), ("rank", rank)):
            check_size("FactorisedLSTM", label, size)
        largest = min(4 * hidden_size, input_size + hidden_size)
        if rank > largest:
            raise ModelError(
                f"FactorisedLSTM: rank must be at most {largest} (the smaller of 4 x hidden size and input size + "
                f"hidden size), not {rank}; nn.LSTM itself has that rank."
            )
        super().__init__(input_size, hidden_size, hidden_size, batch_first)
        self.rank = rank

        def parameter(*shape: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

        self.weight_in = parameter(rank, input_size)
        self.weight_rec = parameter(rank, hidden_size)
        self.weight_out = parameter(4 * hidden_size, rank)
        self.register_parameter("bias", parameter(4 * hidden_size) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform; the product of the two maps has the variance that nn.LSTM gives to its one, 1 / (3 H).

        Both maps have the variance s with r s^2 = 1 / (3 H); the bias is within 1 / sqrt(H).
        """
        variance = (3 * self.hidden_size * self.rank) ** -0.5
        bound = (3 * variance) ** 0.5
        for weight in (self.weight_in, self.weight_rec, self.weight_out):
            torch.nn.init.uniform_(weight, -bound, bound)
        if self.bias is not None:
            torch.nn.init.uniform_(self.bias, -(self.hidden_size**-0.5), self.hidden_size**-0.5)

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        options = "" if self.bias is not None else ", bias=False"
        options += ", batch_first=True" if self.batch_first else ""
        return f"{self.input_size}, {self.hidden_size}, rank={self.rank}{options}"

    def _run(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, State]:
        from_x = linear(x, self.weight_in)  # all steps at once; r words a step, where 4 H would cost more
        outputs = []
        for v in from_x.unbind(0):
            h, c = lstm_update(linear(v + linear(h, self.weight_rec), self.weight_out, self.bias), c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)

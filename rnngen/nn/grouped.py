"""G-LSTM: independent groups of an LSTM, mixed by a projection."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from rnngen.nn.sequence import SequenceModule, State, check_size, lstm_update


class GroupedLSTM(SequenceModule):
    """G-LSTM, Kuchaiev & Ginsburg 2017 ("Factorization tricks for LSTM networks", arXiv 1703.10722), section 2.3.

    x and h are cut into k equal slices; group j computes its own gates from its own slices only, and a full
    projection mixes what all groups give.  With k = 1 this is nn.LSTM with ``proj_size``.

        z^j_t = weight_ih[j] x^j_t + weight_hh[j] h^j_(t-1) + bias[j] = [z_i, z_f, z_g, z_o]     (4 * H / k)
        c^j_t = sigmoid(z_f) * c^j_(t-1) + sigmoid(z_i) * tanh(z_g)                              (H / k)
        m^j_t = sigmoid(z_o) * tanh(c^j_t)                                                       (H / k)
        h_t = y_t = projection [m^1_t, ..., m^k_t]                                               (P)

    Multiply-accumulates a step: 4 H (I + P) / k + P H.

    Args:
        input_size: I.  hidden_size: H.  proj_size: P, words of h and of an output step.
        groups: k, which divides I, H and P.
        bias: Whether there is a bias (the projection never has one).
        batch_first: Whether input and output are (batch, steps, words) and not (steps, batch, words).
        device, dtype: Of the parameters.

    Attributes:
        weight_ih: (k, 4 * H / k, I / k).  weight_hh: (k, 4 * H / k, P / k).  bias: (k, 4 * H / k) or None.
        projection: (P, H).

    Raises:
        ModelError: if a size is out of range.
    """

    bias: torch.nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        proj_size: int,
        groups: int,
        bias: bool = True,
        batch_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_size("GroupedLSTM", "groups", groups)
        for label, size in (("input_size", input_size), ("hidden_size", hidden_size), ("proj_size", proj_size)):
            check_size("GroupedLSTM", label, size, groups)
        super().__init__(input_size, hidden_size, proj_size, batch_first)
        self.proj_size = proj_size
        self.groups = groups

        def parameter(*shape: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

        rows = 4 * hidden_size // groups
        self.weight_ih = parameter(groups, rows, input_size // groups)
        self.weight_hh = parameter(groups, rows, proj_size // groups)
        self.register_parameter("bias", parameter(groups, rows) if bias else None)
        self.projection = parameter(proj_size, hidden_size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform as nn.LSTM's: within 1 / sqrt(H / k) in the groups, each of H / k units, else 1 / sqrt(H)."""
        bound = (self.groups / self.hidden_size) ** 0.5
        for values in (self.weight_ih, self.weight_hh, self.bias):
            if values is not None:
                torch.nn.init.uniform_(values, -bound, bound)
        torch.nn.init.uniform_(self.projection, -(self.hidden_size**-0.5), self.hidden_size**-0.5)

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        options = "" if self.bias is not None else ", bias=False"
        options += ", batch_first=True" if self.batch_first else ""
        return f"{self.input_size}, {self.hidden_size}, proj_size={self.proj_size}, groups={self.groups}{options}"

    def _run(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, State]:
        steps, batch, k = x.shape[0], x.shape[1], self.groups

        def cut(values: torch.Tensor) -> torch.Tensor:
            """(k, rows, size / k): the groups' slices of (rows, size)."""
            return values.reshape(values.shape[0], k, -1).transpose(0, 1)

        from_x = torch.bmm(cut(x.reshape(steps * batch, self.input_size)), self.weight_ih.transpose(1, 2))
        if self.bias is not None:
            from_x = from_x + self.bias.unsqueeze(1)
        c, weight_hh = cut(c), self.weight_hh.transpose(1, 2)
        outputs = []
        for z in from_x.reshape(k, steps, batch, -1).unbind(1):
            m, c = lstm_update(torch.baddbmm(z, cut(h), weight_hh), c)
            h = linear(m.transpose(0, 1).reshape(batch, self.hidden_size), self.projection)
            outputs.append(h)
        return torch.stack(outputs), (h, c.transpose(0, 1).reshape(batch, self.hidden_size))

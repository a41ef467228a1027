"""The host class talks to the board top of a real design: what the bitstream holds, in simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from rnngen.emulate.network import run_values
from rnngen.errors import DesignError
from rnngen.flow import GenerateOptions, generate, simulate_board
from rnngen.frontend import ImportOptions
from rnngen.host import Accelerator, SocketTransport


@pytest.mark.verilator
def test_host_class_runs_the_board(tmp_path: Path) -> None:
    model = nn.Sequential()
    model.lstm, model.head = nn.LSTM(3, 5), nn.Linear(5, 2)
    imports = ImportOptions(select="lstm", head="head")
    design = generate(model, tmp_path / "design", GenerateOptions(imports=imports, board="ulx3s-85f"))
    assert design.document["multiplier"] == "ecp5"
    x = np.random.default_rng(0).uniform(-1, 1, (2, 4, 3))
    with simulate_board(design) as board, SocketTransport(board.socket) as transport:
        y = Accelerator(transport, design.document, outputs=2).run(x)
    assert np.array_equal(y, design.quantised.output_format.to_float(run_values(design.quantised, x).output))


def test_a_design_for_no_board_is_refused(tmp_path: Path) -> None:
    design = generate(nn.LSTM(2, 2), tmp_path / "design", GenerateOptions(multipliers=8))
    with pytest.raises(DesignError, match=r"was made for no board: generate it again with --board\.$"):
        simulate_board(design)

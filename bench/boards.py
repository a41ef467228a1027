"""Each board with open tools, with a small network, to its bitstream: ``python -m bench.boards [BOARD ...]``.

Boards of vendors' tools have a dry run of their project's script instead.  Writes what came of it to boards/records,
and all of the boards into docs/boards.md (``--table``: only that).  No date and no time is recorded: the same tools
give the same record.  ``--stale`` writes nothing, and tells which records were made of other Verilog than today's.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from rnngen.build import synthesize
from rnngen.build.vendor.project import read_parts
from rnngen.config import Board, list_boards, load_board
from rnngen.config.board_record import DRY_RUN, ROUTED, BoardRecord, write_record
from rnngen.emit.design import Design
from rnngen.errors import RnngenError
from rnngen.flow import GenerateOptions, dry_run, generate
from rnngen.flow.board_page import boards_page
from rnngen.frontend import ImportOptions

PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
INPUTS, UNITS, OUTPUTS = 8, 16, 4
LIMIT_S = 3600.0
"""Of a seed: a record should not depend on how busy the machine is."""


@dataclass(frozen=True)
class Trial:
    """What is put on the boards of a family.

    Attributes:
        kind: Of the recurrent layer.
        multipliers: Asked for.
        options: Of ``GenerateOptions``, beside these.
    """

    kind: str = "LSTM"
    multipliers: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The network, for the record."""
        more = "".join(f", {name.replace('_', ' ')} {value}" for name, value in self.options.items())
        layers = f"{self.kind}({INPUTS}, {UNITS}) and Linear({UNITS}, {OUTPUTS})"
        return f"{layers}, 8-bit weights, {self.multipliers} multipliers{more}"

    def network(self) -> torch.nn.Module:
        """With random weights."""
        torch.manual_seed(0)
        model = torch.nn.Sequential()
        model.rnn = getattr(torch.nn, self.kind)(INPUTS, UNITS, batch_first=True)
        model.head = torch.nn.Linear(UNITS, OUTPUTS)
        return model


TRIALS: Mapping[str, Trial] = {
    "ice40": Trial("GRU", 2, {"weights": "spram", "activation_bits": 8}),
}
"""By family, where the common one does not fit: an LSTM's element-wise path takes all multipliers of an UP5K."""


def made(board: Board, folder: Path) -> Design:
    """The family's network for a board."""
    trial = TRIALS.get(board.family, Trial())
    imports = ImportOptions(select="rnn", head=("head",))
    options = GenerateOptions(
        imports=imports, board=board.name, multipliers=trial.multipliers, name="tiny", **trial.options
    )
    return generate(trial.network(), folder / board.name, options)


def verilog_sha256(design: Design, board: Board) -> str:
    """The first digits of the digest of all that is synthesised: comments, one of which names a tool, do not count."""
    texts = read_parts(design.folder, board).texts
    bare = (re.sub(r"/\*.*?\*/|//[^\n]*", "", texts[name], flags=re.DOTALL) for name in sorted(texts))
    return hashlib.sha256("".join(bare).encode()).hexdigest()[:12]


def stale(names: list[str]) -> int:
    """Says of each record whether it was made of today's Verilog; 1 if one was not."""
    found = 0
    for name in names:
        board = load_board(name)
        if board.record is None:
            continue
        if not board.record.verilog_sha256:
            print(f"{name}: not told")
            continue
        with tempfile.TemporaryDirectory() as folder:
            now = verilog_sha256(made(board, Path(folder)), board)
        same = now == board.record.verilog_sha256
        print(f"{name}: {'as today' if same else f'made of other Verilog than {now}; run it again'}")
        found |= not same
    return found


def say(line: str) -> None:
    """Progress."""
    print(f"boards: {line}", file=sys.stderr, flush=True)


def dried(board: Board, folder: Path) -> BoardRecord:
    """A board's project, whose script ran with stand-ins for the vendor's commands: no tool, and no figure.

    Raises:
        RnngenError: if the script does what the tool is documented to refuse.
    """
    design = made(board, folder)
    done = dry_run(design, say)
    return BoardRecord(
        status=DRY_RUN,
        flow=done.flow,
        tools="none: stand-ins for its commands, in Tcl",
        network=TRIALS.get(board.family, Trial()).words,
        clock_target_hz=design.document["clock_hz_target"],
        fmax_hz=None,
        clock_met=None,
        used={},
        available={},
        verilog_sha256=verilog_sha256(design, board),
    )


def routed(board: Board, folder: Path) -> BoardRecord:
    """What place and route makes of the network on a board.

    Raises:
        RnngenError: if a tool is missing or fails.
    """
    design = made(board, folder)
    result = synthesize(design.folder, say, LIMIT_S)
    size = 0 if result.bitstream is None else (folder / board.name / result.bitstream).stat().st_size
    figures = {name: int(getattr(result, name)) for name in result.available}
    return BoardRecord(
        status=ROUTED,
        flow="open",
        tools=result.tool_version,
        network=TRIALS.get(board.family, Trial()).words,
        clock_target_hz=result.clock_target_hz,
        fmax_hz=result.fmax_hz,
        clock_met=result.clock_met,
        used=figures,
        available=dict(result.available),
        bitstream_bytes=size,
        verilog_sha256=verilog_sha256(design, board),
    )


def run(names: list[str]) -> int:
    """Records boards; 1 if one of them did not meet its clock, which leaves its record as it was."""
    missed = 0
    for name in names:
        board = load_board(name)
        with tempfile.TemporaryDirectory() as folder:
            try:
                record = routed(board, Path(folder)) if board.flows[0] == "open" else dried(board, Path(folder))
            except RnngenError as error:
                print(f"boards: {name}: {error}", file=sys.stderr)
                missed = 1
                continue
        if record.clock_met is False:
            reached = f"{(record.fmax_hz or 0) / 1e6:.1f} MHz of {record.clock_target_hz / 1e6:g}"
            print(f"boards: {name} misses its clock: {reached}; its record stays as it was", file=sys.stderr)
            missed = 1
            continue
        old = board.record
        write_record(board.file, replace(record, note=old.note if old is not None else ""))
    return missed


def main() -> int:
    """Runs the boards that are named, or all with open tools."""
    parser = argparse.ArgumentParser(prog="bench.boards", description=__doc__)
    parser.add_argument("boards", metavar="BOARD", nargs="*", help="default: all")
    parser.add_argument("--table", action="store_true", help="only write docs/boards.md")
    parser.add_argument("--stale", action="store_true", help="only tell which records are of other Verilog")
    arguments = parser.parse_args()
    names = arguments.boards or list_boards()
    if arguments.stale:
        return stale(names)
    missed = 0 if arguments.table else run(names)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(boards_page(), encoding="utf-8")
    return missed


if __name__ == "__main__":
    sys.exit(main())

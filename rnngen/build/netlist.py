"""Yosys' JSON netlist as plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

Netlist = dict[str, Any]


def flat_module(netlist: Netlist) -> dict[str, Any]:
    """The design itself, among the descriptions of primitives."""
    top: dict[str, Any] = next(module for module in netlist["modules"].values() if "top" in module["attributes"])
    return top


def cells_by_type(netlist: Netlist) -> Counter[str]:
    """How many cells of each type the design has."""
    return Counter(str(cell["type"]) for cell in flat_module(netlist)["cells"].values())

"""Declarative configuration: the boards, and systems of several devices."""

from rnngen.config.board import Board, Budget, list_boards, load_board
from rnngen.config.system import Device, Host, Link, System
from rnngen.config.system_file import read_system_file

__all__ = [
    "Board", "Budget", "Device", "Host", "Link", "System", "list_boards", "load_board", "read_system_file",
]  # fmt: skip

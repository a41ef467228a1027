"""Declarative configuration: the boards."""

from rnngen.config.board import Board, Budget, list_boards, load_board

__all__ = ["Board", "Budget", "list_boards", "load_board"]

"""The command ``rnngen``."""

from rnngen.cli.main import main

__all__ = ["main"]

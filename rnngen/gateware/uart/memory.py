"""Memories of the bridge."""

from __future__ import annotations

from amaranth.lib.memory import Memory


def unchecked_memory(width: int, depth: int) -> Memory:
    """A memory whose words are never read while they are written, so that no logic need compare the addresses.

    Block RAM is slow: its word should go into a register without any condition, so that no logic follows it.
    """
    return Memory(shape=width, depth=depth, init=[], attrs={"no_rw_check": 1})

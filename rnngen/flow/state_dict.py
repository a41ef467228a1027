"""State dicts that are written."""

from __future__ import annotations

from pathlib import Path

from rnngen.errors import ModelError

SUFFIX = ".safetensors"


def check_output(model: Path, output: Path) -> None:
    """Raise ModelError unless a state dict made from a model can be written here."""
    if output.suffix.lower() != SUFFIX:
        raise ModelError(f"Output '{output.name}' must end in {SUFFIX}, the only format that is written.")
    if output.exists() and model.exists() and output.samefile(model):
        raise ModelError(f"Output '{output}' is the model itself, which is never overwritten; give another name.")

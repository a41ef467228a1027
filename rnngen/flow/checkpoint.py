"""Another checkpoint of a design's model, for the circuit that is there."""

from __future__ import annotations

from rnngen.emit.design import Design
from rnngen.errors import DesignError
from rnngen.frontend import ImportOptions, Model, load
from rnngen.frontend.options import DEFAULT_IMPORT
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.fold import fold
from rnngen.passes.requantise import requantise


def checkpoint(design: Design, model: Model, imports: ImportOptions = DEFAULT_IMPORT) -> QuantisedNetwork:
    """A model of the same structure in the formats and with the masks of a design.

    Its ranges are not measured again: where it goes beyond those of the design's model, values saturate.

    Raises:
        ModelError: if anything but the values of parameters differs, or one is not 0 where the design multiplies none.
        FormatError: if parameters are too large for the design's formats.
        DesignError: if the design is of one device of a system.
    """
    if "device" in design.document:
        raise DesignError(
            f"'{design.folder}' is of one device of a system, which computes a part of a model; partition this model, "
            f"and load the folder of that device."
        )
    return requantise(fold(load(model, imports)), design.network, design.quantised)

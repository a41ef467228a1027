"""What a device is loaded with: the parameters of a design folder, or of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rnngen.emit.load_image import LoadRecord, folder_records
from rnngen.errors import DesignError
from rnngen.host.ports import HostDesign

if TYPE_CHECKING:
    from rnngen.emit.design import Design
    from rnngen.ir.quantised import QuantisedNetwork


class Parameters(Protocol):
    """Where they come from."""

    def records(self) -> Sequence[LoadRecord]:
        """What is written to the memories."""

    def network(self) -> QuantisedNetwork:
        """What is computed with them."""


@dataclass(frozen=True)
class OfFolder:
    """Those of a design folder; its images are all that a board's host reads of it."""

    design: HostDesign

    def records(self) -> Sequence[LoadRecord]:
        """Of the folder's images."""
        return folder_records(_folder(self.design), self.design.document)

    def network(self) -> QuantisedNetwork:
        """Of the folder."""
        return _whole(self.design).quantised


@dataclass(frozen=True)
class OfModel:
    """Those of a model in the formats of a design."""

    design: Design
    quantised: QuantisedNetwork

    def records(self) -> Sequence[LoadRecord]:
        """In the order in which the design's circuit reads them."""
        from rnngen.emit.design import parameter_records

        return parameter_records(self.design, self.quantised)

    def network(self) -> QuantisedNetwork:
        """As it is."""
        return self.quantised


def of_model(design: HostDesign, model: Any, imports: Any) -> OfModel:
    """A model in the formats of a design, whose folder must be here.

    Raises:
        RnngenError: see ``rnngen.flow.checkpoint``.
    """
    # The frontend and the planner, which a board's host needs for nothing else.
    from rnngen.flow.checkpoint import checkpoint
    from rnngen.frontend.options import DEFAULT_IMPORT

    whole = _whole(design)
    return OfModel(whole, checkpoint(whole, model, DEFAULT_IMPORT if imports is None else imports))


def _whole(design: HostDesign) -> Design:
    from rnngen.emit.design import read_design

    return read_design(_folder(design))


def _folder(design: HostDesign) -> Any:
    if design.folder is None:
        raise DesignError(f"Of '{design.name}' design.json alone is known here, and this needs its folder: give that.")
    return design.folder

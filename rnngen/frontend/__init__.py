"""Import of trained models into ``rnngen.ir.Network``, and the float network as reference."""

from rnngen.frontend.importer import Model, inspect, load
from rnngen.frontend.reference import ReferenceRun, run_reference
from rnngen.frontend.summary import LayerSummary, ModelSummary

__all__ = ["LayerSummary", "Model", "ModelSummary", "ReferenceRun", "inspect", "load", "run_reference"]

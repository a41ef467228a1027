"""Import of trained models into ``rnngen.ir.Network``, and the float network as reference."""

from rnngen.frontend.importer import inspect, load
from rnngen.frontend.options import ImportOptions
from rnngen.frontend.reference import ReferenceRun, run_reference
from rnngen.frontend.source import Model
from rnngen.frontend.summary import ChainLayer, LayerSummary, ModelSummary

__all__ = [
    "ChainLayer",
    "ImportOptions",
    "LayerSummary",
    "Model",
    "ModelSummary",
    "ReferenceRun",
    "inspect",
    "load",
    "run_reference",
]

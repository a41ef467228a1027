"""The steps of the main job, typed: what the commands do, for use from Python."""

from rnngen.flow.board import simulate_board
from rnngen.flow.check import CheckOptions, CheckReport, check
from rnngen.flow.emulate import EmulationReport, emulate
from rnngen.flow.factorize import FactorizeReport, factorize
from rnngen.flow.generate import GenerateOptions, generate
from rnngen.flow.report import report
from rnngen.flow.simulate import SimulationReport, simulate
from rnngen.flow.synthesize import synthesize

__all__ = [
    "CheckOptions",
    "CheckReport",
    "EmulationReport",
    "FactorizeReport",
    "GenerateOptions",
    "SimulationReport",
    "check",
    "emulate",
    "factorize",
    "generate",
    "report",
    "simulate",
    "simulate_board",
    "synthesize",
]

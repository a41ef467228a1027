"""The steps of the main job, typed: what the commands do, for use from Python."""

from rnngen.flow.board import simulate_board, simulate_boards, simulate_netlist, simulate_serial
from rnngen.flow.check import CheckOptions, CheckReport, check
from rnngen.flow.checkpoint import checkpoint
from rnngen.flow.emulate import EmulationReport, emulate
from rnngen.flow.exact import exact_network
from rnngen.flow.factorize import FactorizeReport, factorize
from rnngen.flow.generate import GenerateOptions, generate
from rnngen.flow.partition import PartitionOptions, partition, read_system
from rnngen.flow.prune import PruneReport, fit, prune, prune_masks
from rnngen.flow.report import report
from rnngen.flow.resources import count_resources
from rnngen.flow.simulate import SimulationReport, simulate
from rnngen.flow.simulate_system import SystemReport, simulate_system
from rnngen.flow.synthesize import dry_run, synthesize
from rnngen.passes.prune_layers import FitOptions, PruneOptions

__all__ = [
    "CheckOptions",
    "CheckReport",
    "EmulationReport",
    "FactorizeReport",
    "FitOptions",
    "GenerateOptions",
    "PartitionOptions",
    "PruneOptions",
    "PruneReport",
    "SimulationReport",
    "SystemReport",
    "check",
    "checkpoint",
    "count_resources",
    "dry_run",
    "emulate",
    "exact_network",
    "factorize",
    "fit",
    "generate",
    "partition",
    "prune",
    "prune_masks",
    "read_system",
    "report",
    "simulate",
    "simulate_board",
    "simulate_boards",
    "simulate_netlist",
    "simulate_serial",
    "simulate_system",
    "synthesize",
]

"""The build flow of a board, and the state of the tools on this machine."""

from rnngen.build.result import CriticalPath, PathStep, SynthesisResult
from rnngen.build.synthesize import synthesize
from rnngen.build.tools import ToolStatus, find_tools

__all__ = ["CriticalPath", "PathStep", "SynthesisResult", "ToolStatus", "find_tools", "synthesize"]

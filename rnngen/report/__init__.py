"""The report of a design: one HTML file that needs nothing beside it."""

from rnngen.report.document import render_report, write_report
from rnngen.report.views import ErrorView, Lane, LayerError, MaskView, Span, TraceView

__all__ = ["ErrorView", "Lane", "LayerError", "MaskView", "Span", "TraceView", "render_report", "write_report"]

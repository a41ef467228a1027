"""The report of a system of several devices: one HTML file, with links to those of its devices."""

from rnngen.report.system.page import render_system_report, write_system_report
from rnngen.report.system.view import SystemView

__all__ = ["SystemView", "render_system_report", "write_system_report"]

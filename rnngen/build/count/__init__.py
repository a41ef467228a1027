"""Resources of a circuit before synthesis: elaborated by Yosys, counted by kind, weighted by family."""

from __future__ import annotations

from rnngen.build.count.census import Census, census
from rnngen.build.count.elaborate import elaborate
from rnngen.build.count.families import FAMILIES
from rnngen.build.count.resources import Resources, calibration, is_calibrated, resources

__all__ = ["FAMILIES", "Census", "Resources", "calibration", "census", "elaborate", "is_calibrated", "resources"]

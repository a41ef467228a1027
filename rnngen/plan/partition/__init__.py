"""Cutting a network over several devices."""

from rnngen.plan.partition.advice import Advice, inner_cuts
from rnngen.plan.partition.hops import Hop
from rnngen.plan.partition.parts import PartPlan, Parts, Refusal
from rnngen.plan.partition.result import GOALS, Partition
from rnngen.plan.partition.search import Loser, Other, SearchResult, best_partition, naive_partition
from rnngen.plan.partition.split import RowSplit, best_row_split, row_split

__all__ = [
    "GOALS", "Advice", "Hop", "Loser", "Other", "PartPlan", "Partition", "Parts", "Refusal", "RowSplit",
    "SearchResult",
    "best_partition", "best_row_split", "inner_cuts", "naive_partition", "row_split",
]  # fmt: skip

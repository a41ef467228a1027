"""Cutting a network over several devices."""

from rnngen.plan.partition.advice import Advice, inner_cuts
from rnngen.plan.partition.apart import ApartParts, best_apart, better_apart
from rnngen.plan.partition.cores import best_cores, better_cores
from rnngen.plan.partition.groups import GroupParts, groups_of
from rnngen.plan.partition.hops import Hop, Route
from rnngen.plan.partition.naive import naive_partition
from rnngen.plan.partition.parts import PartPlan, Parts, Refusal
from rnngen.plan.partition.refusals import Loser
from rnngen.plan.partition.result import GOALS, Partition
from rnngen.plan.partition.search import Other, SearchResult, best_partition, best_with
from rnngen.plan.partition.shared import Group, SharedBlock, member_plan

__all__ = [
    "GOALS", "Advice", "ApartParts", "Group", "GroupParts", "Hop", "Loser", "Other", "PartPlan", "Partition", "Parts",
    "Refusal", "Route", "SearchResult", "SharedBlock", "best_apart", "best_cores", "best_partition", "best_with",
    "better_apart", "better_cores", "groups_of", "inner_cuts", "member_plan", "naive_partition",
]  # fmt: skip

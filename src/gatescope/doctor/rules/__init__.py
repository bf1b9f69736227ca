"""The rules, each one small function with its evidence and its source.

A rule is a function of `Evidence` that yields `Finding`s, under `@rule(source)`; a module imported
here is all that it takes. Rules know causes: what is contradictory by itself is said whatever the
outcome, what is only unusual is said the more surely the worse the network does
(`Evidence.sure`), and the proof decides.
"""

from gatescope.doctor.rules import (
    crashes,
    data,
    dynamics,
    fitting,
    initialization,
    loops,
    optimizer,
    outputs,
    spellings,
    structure,
    wiring,
)
from gatescope.doctor.rules.table import RULES, Rule

__all__ = [
    "RULES",
    "Rule",
    "crashes",
    "data",
    "dynamics",
    "fitting",
    "initialization",
    "loops",
    "optimizer",
    "outputs",
    "spellings",
    "structure",
    "wiring",
]

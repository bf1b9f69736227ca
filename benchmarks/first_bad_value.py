"""Whether the first bad value is named rightly, layer and operation, in planted cases.

    python benchmarks/first_bad_value.py
    python benchmarks/first_bad_value.py log_of_zero where_trap

The cases of `tests/scope/bad_cases.py`, each trained with the hood open, without and with XLA; the
run's event must name the step, the layer and the operation, or the input that was bad.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import gatescope as gs

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "scope"))

from bad_cases import BATCH, CASES, Case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    right = tried = 0
    for name in parser.parse_args().cases:
        for jit in (False, True):
            case = CASES[name]()
            if jit and not case.xla:
                continue
            told = named(case, jit)
            good = told == (case.step, case.layer, case.op)
            right, tried = right + good, tried + 1
            print(
                f"{'right' if good else 'WRONG'}  {'XLA' if jit else '   '}  {name}: {told}",
                flush=True,
            )
    print(f"{right} of {tried} named rightly")


def named(case: Case, jit: bool) -> tuple[int | None, str | None, str | None]:
    """Step, layer and operation that the run's event names."""
    case.model.jit_compile = jit
    with tempfile.TemporaryDirectory() as folder:
        watch = gs.watch(case.model, runs=folder, overhead=1)
        case.model.fit(case.x, case.y, batch_size=BATCH, shuffle=False, verbose=0)
        events = gs.open_run(watch.run.folder).events
    if not len(events["step"]):
        return None, None, None
    content = events["content"][0]
    layer = str(content.get("layer") or "").split("/")
    came_in = case.op is None and str(content["told"]).startswith(case.told)
    found = None if came_in else (case.layer if case.layer in layer else layer[-1])
    return int(events["step"][0]), found, None if came_in else content.get("op")


if __name__ == "__main__":
    main()

"""Circuits beside micrograd: forward and backward through the same graph of 1,000 gates.

    pip install micrograd
    python benchmarks/circuits.py

The graph is drawn from what both have (plus, times, relu); all of it leads to the output, and both
are checked to agree on it before anything is timed. micrograd builds the graph anew in each forward
pass, having no other; a circuit is built once, compiled once, and both are timed apart. Rounds are
interleaved, several passes a round; the rows are medians over the rounds. micrograd leaves its
graph to Python's garbage collector, which costs it about half of its time; `--no-collector` leaves
that out.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence

from micrograd.engine import Value

import gatescope as gs
from gatescope.circuits.circuit import Circuit

Graph = list[tuple[str, int, int]]


def draw(gates: int, inputs: Sequence[float], seed: int) -> Graph:
    """Gates as (kind, first wire, second wire); wires are numbered, inputs first."""
    chance = random.Random(seed)
    values, graph, unused = list(inputs), [], list(range(len(inputs)))
    while len(graph) < gates:
        first = unused.pop(0)
        merge = len(unused) >= gates - len(graph)  # so that one wire is left over in the end
        second = unused.pop(0) if merge else chance.randrange(max(0, len(values) - 30), len(values))
        kind = "add" if merge else chance.choice(("add", "mul", "relu"))
        if not merge and abs(values[first]) > 2:
            kind = "halve"  # or the values would soon overflow
        graph.append((kind, first, second))
        unused.append(len(values))
        values.append(combine(kind, values[first], values[second], lambda value: max(0.0, value)))
    return graph


def combine(kind: str, first, second, relu):
    """One gate on numbers, on wires or on micrograd's values."""
    match kind:
        case "add":
            return first + second
        case "mul":
            return first * second
        case "halve":
            return first * 0.5
    return relu(first)


def build(graph: Graph, wires: list, relu) -> list:
    for kind, first, second in graph:
        wires.append(combine(kind, wires[first], wires[second], relu))
    return wires


def micrograd_pass(graph: Graph, inputs: Sequence[float]) -> tuple[float, list[float]]:
    leaves = [Value(value) for value in inputs]
    output = build(graph, list(leaves), lambda value: value.relu())[-1]
    output.backward()
    return output.data, [leaf.grad for leaf in leaves]


def circuit_pass(circuit: Circuit) -> tuple[float, dict[str, float]]:
    output = circuit.forward()
    circuit.backward()
    return output, {name: wire.gradient for name, wire in circuit.inputs.items()}


def seconds(run: Callable[[], object], passes: int) -> float:
    """Processor seconds a pass, which other work on the machine disturbs less than wall time."""
    gc.collect()
    start = time.process_time()
    for _ in range(passes):
        run()
    return (time.process_time() - start) / passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", type=int, default=1000)
    parser.add_argument("--inputs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--no-collector", action="store_true", help="no garbage collection in passes"
    )
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    inputs = [chance.uniform(-1, 1) for _ in range(arguments.inputs)]
    graph = draw(arguments.gates, inputs, arguments.seed)

    def wired() -> Circuit:
        wires = [gs.wire(f"x{place}", value) for place, value in enumerate(inputs)]
        return Circuit([build(graph, wires, lambda wire: wire.relu())[-1]])

    circuit = wired()
    compiled = circuit.compile()
    given = {f"x{place}": value for place, value in enumerate(inputs)}
    check(circuit, micrograd_pass(graph, inputs), circuit_pass(circuit), compiled.backward(**given))
    ways = {
        "micrograd": (lambda: micrograd_pass(graph, inputs), 10),
        "circuit, interpreted": (lambda: circuit_pass(circuit), 20),
        "circuit, compiled": (lambda: compiled.backward(**given), 200),
    }
    gc.collect()
    if arguments.no_collector:
        gc.disable()
    gc.freeze()  # so that collecting micrograd's garbage does not walk through what is ours
    rounds = [{name: seconds(*way) for name, way in ways.items()} for _ in range(arguments.rounds)]
    report(rounds)
    print(
        f"\nbuilding {seconds(wired, 5) * 1e3:.1f} ms, compiling "
        f"{seconds(circuit.compile, 5) * 1e3:.0f} ms, once a circuit"
    )


def check(circuit: Circuit, peer, interpreted, compiled) -> None:
    assert compiled == interpreted
    value, gradients = interpreted
    assert math.isclose(peer[0], value, rel_tol=1e-12)
    for place, theirs in enumerate(peer[1]):
        assert math.isclose(theirs, gradients[f"x{place}"], rel_tol=1e-9, abs_tol=1e-12)
    assert sum(map(bool, peer[1])) > len(peer[1]) / 4
    print(f"{sum(wire.gate is not None for wire in circuit.wires):,} gates, all agree\n")


def report(rounds: list[dict[str, float]]) -> None:
    print("| forward + backward | µs, median | rounds | times as fast, median of rounds |")
    print("|---|---:|---|---:|")
    for name in rounds[0]:
        taken = [each[name] * 1e6 for each in rounds]
        ratio = statistics.median(each["micrograd"] / each[name] for each in rounds)
        spread = f"{min(taken):,.0f} to {max(taken):,.0f}"
        print(f"| {name} | {statistics.median(taken):,.0f} | {spread} | {ratio:.1f} |")


if __name__ == "__main__":
    main()

"""Graphs as text and as SVG: what is drawn is what is connected, and nothing lies on anything."""

from __future__ import annotations

import random
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from gatescope.report.graph import Node, layers, text_graph
from gatescope.report.graph_svg import Layout, lay_out, svg_graph


def product() -> list[Node]:
    return [Node("a", (), "4", "5"), Node("x", (), "5", "4"), Node("×", (0, 1), "20", "1")]


def random_nodes(seed: int, size: int) -> list[Node]:
    draw = random.Random(seed)
    nodes = [Node(f"x{place}", (), "−1.00", "0.25") for place in range(1 + size // 10)]
    while len(nodes) < size:
        ends = [
            draw.randrange(max(0, len(nodes) - 20), len(nodes))
            for _ in range(draw.choice((1, 2, 2, 2, 7)))
        ]
        nodes.append(Node(draw.choice(("×", "+", "tanh")), tuple(ends), "123.45", "−0.01"))
    return nodes


def test_two_inputs_meet_at_their_gate() -> None:
    assert text_graph(product(), 60) == "\n".join(
        [
            "   4",
            "a ───╮",
            "   5 │     20",
            "     ├─ × ───→",
            "   5 │      1",
            "x ───╯",
            "   4",
        ]
    )


def test_a_wire_used_twice_branches_and_one_into_both_inputs_is_doubled() -> None:
    nodes = [Node("x"), Node("exp", (0,)), Node("sin", (0,)), Node("×", (1, 2)), Node("+", (3, 3))]
    assert text_graph(nodes, 60) == "\n".join(
        [
            "",
            "x ──╮",
            "    │",
            "    ├─ exp ──╮",
            "    │        │",
            "    │        ├─ × ──═ + ─→",
            "    │        │",
            "    ╰─ sin ──╯",
        ]
    )


def test_lines_that_only_cross_are_crosses() -> None:
    nodes = [Node("a"), Node("b"), Node("c"), Node("+", (0, 2)), Node("×", (0, 1))]
    drawn = text_graph(nodes, 60) or ""
    assert "┼" in drawn and "●" not in drawn


def test_an_order_upside_down_is_marked() -> None:
    swapped = [Node("a"), Node("exp", (0,)), Node("−", (0, 1), ordered=True), Node("+", (2, 1))]
    marked = text_graph(swapped, 80) or ""
    rows = [row for row, line in enumerate(marked.splitlines()) if "a" in line or "−" in line]
    assert rows
    upright = [Node("a"), Node("b"), Node("−", (0, 1), ordered=True)]
    assert "⇅" not in (text_graph(upright, 80) or "")
    turned = [Node("a"), Node("b"), Node("+", (0, 1)), Node("−", (1, 0), ordered=True)]
    assert "⇅−" in (text_graph(turned, 80) or "")


def test_what_is_too_wide_is_not_drawn() -> None:
    assert text_graph(product(), 12) is None
    chain = [Node("x"), *(Node("+", (place,)) for place in range(5_000))]
    assert text_graph(chain, 200) is None


@pytest.mark.parametrize("seed", range(20))
def test_texts_are_whole_whatever_the_graph(seed: int) -> None:
    nodes = random_nodes(seed, 25)
    drawn = text_graph(nodes, 10_000)
    assert drawn is not None
    assert drawn.count("123.45") == sum(node.above == "123.45" for node in nodes)
    assert drawn.count("−0.01") == sum(node.below == "−0.01" for node in nodes)
    assert drawn.count("tanh") == sum(node.label == "tanh" for node in nodes)


def many(terms: int, shared: int = 0) -> list[Node]:
    """Products that a sum collects, and another sum of some of them."""
    nodes = [Node(f"w[{place}]", (), "1.00", "0.50") for place in range(2 * terms)]
    nodes += [Node("×", (place, place + 1), "2.00", "0.25") for place in range(0, 2 * terms, 2)]
    products = tuple(range(2 * terms, 3 * terms))
    nodes.append(Node("Σ", products, "9.00", "1.00"))
    return [*nodes, Node("Π", products[:shared], "8.00", "1.00")] if shared else nodes


def test_the_inputs_of_a_sum_meet_in_one_line() -> None:
    nodes = [*(Node(name) for name in "abcd"), Node("Σ", (0, 1, 2, 3))]
    assert text_graph(nodes, 60) == "\n".join(
        [
            "",
            "a ──╮",
            "    │",
            "b ──┤",
            "    │",
            "    ├─ Σ ─→",
            "    │",
            "c ──┤",
            "    │",
            "d ──╯",
        ]
    )


@pytest.mark.parametrize("terms", [5, 8, 12])
def test_a_sum_of_many_products_is_narrow(terms: int) -> None:
    drawn = text_graph(many(terms), 60) or ""
    lines = drawn.splitlines()
    assert "●" not in drawn and "┼" not in drawn
    assert len({line.rindex("┤") for line in lines if line.endswith("┤")}) == 1
    assert drawn.count("├─ Σ") == 1 and drawn.count("├─ ×") == terms


def test_a_wire_into_two_sums_has_a_dot_where_it_joins_the_first() -> None:
    drawn = text_graph(many(5, shared=4), 60) or ""
    assert drawn.count("●") == 3  # of four shared wires one is the first sum's topmost


def test_a_crossing_on_the_way_into_a_gate_is_no_joint() -> None:
    # The line into the second gate is of both its inputs, and a third wire crosses it.
    nodes = [Node("a"), Node("b"), Node("x"), Node("y"), Node("×", (0, 2)), Node("×", (0, 3))]
    nodes += [Node("×", (1, 2)), Node("×", (1, 3)), Node("Σ", (4, 5, 6, 7))]
    drawn = text_graph(nodes, 80) or ""
    assert "┼" in drawn and "●" not in drawn


@pytest.mark.parametrize("terms", [3, 5, 12, 40])
def test_a_tree_is_drawn_in_the_order_of_its_inputs(terms: int) -> None:
    nodes = many(terms)
    plan = lay_out(nodes)
    ys = [plan.boxes[place].y for place in nodes[-1].inputs]
    assert ys == sorted(ys) and min(b - a for a, b in pairwise(ys)) >= 56
    middle = plan.boxes[-1].y
    assert middle == pytest.approx((ys[0] + ys[-1]) / 2)
    leaves = [box.y for box in plan.boxes[: 2 * terms]]
    assert leaves == sorted(leaves) and overlaps(plan) == []


def test_tall_nodes_keep_their_distance() -> None:
    nodes = many(12, shared=11)
    plan = lay_out(nodes)
    boxes, tall = plan.boxes, [9 * len(node.inputs) + 7 for node in nodes[-2:]]
    assert abs(boxes[-1].y - boxes[-2].y) >= sum(tall) / 2 + 20
    for box, height in zip(boxes[-2:], tall, strict=True):
        assert box.y - height / 2 > 0 and box.y + height / 2 < plan.height


def test_a_wire_past_layers_keeps_its_lane_in_a_tree() -> None:
    nodes = [Node("a"), Node("exp", (0,)), Node("sin", (1,)), Node("b"), Node("cos", (3,))]
    nodes.append(Node("×", (2, 4)))
    plan = lay_out(nodes)
    (lane,) = plan.lanes[4]
    assert lane.y == plan.boxes[4].y


def test_painting_adds_colour_and_nothing_else() -> None:
    painted = text_graph(product(), 60, lambda text, style: f"<{style}>{text}")
    assert painted is not None and "<above>4" in painted and "<gate>×" in painted


def test_nothing_is_drawn_of_nothing() -> None:
    assert text_graph([], 60) == ""
    assert svg_graph([], "nothing").startswith("<svg")


def test_layers_count_the_longest_way() -> None:
    assert layers([Node("a"), Node("f", (0,)), Node("g", (0, 1))]) == [0, 1, 2]


def overlaps(plan: Layout) -> list[tuple[int, int]]:
    """Pairs of nodes, each with its wire and the texts beside that, which share a spot."""
    places = sorted(range(len(plan.boxes)), key=lambda place: plan.boxes[place].x)
    return [
        (one, other)
        for one, other in combinations(places, 2)
        if plan.boxes[other].x < plan.boxes[one].end
        and abs(plan.boxes[one].y - plan.boxes[other].y) < 44
        and plan.boxes[one].x < plan.boxes[other].end
    ]


@pytest.mark.parametrize(("seed", "size"), [(0, 10), (1, 40), (2, 150), (3, 400)])
def test_no_two_nodes_overlap_and_wires_pass_between_them(seed: int, size: int) -> None:
    nodes = random_nodes(seed, size)
    plan = lay_out(nodes)
    assert overlaps(plan) == []
    for lanes in plan.lanes:
        for lane in lanes:
            near = [box for box in plan.boxes if box.x == lane.x and abs(box.y - lane.y) < 28]
            assert near == []
    for box, node in zip(plan.boxes, nodes, strict=True):
        assert box.x > 0 and box.end < plan.width and 0 < box.y < plan.height
        assert all(plan.boxes[end].end < box.x for end in node.inputs)


def test_lanes_lead_on_from_left_to_right() -> None:
    nodes = random_nodes(5, 100)
    plan = lay_out(nodes)
    for place, node in enumerate(nodes):
        for end in node.inputs:
            stations = [*plan.route(end, place), plan.boxes[place]]
            assert all(one.end < other.x for one, other in pairwise(stations))


def test_an_svg_is_well_formed_and_holds_every_text() -> None:
    nodes = [Node("<a>", (), "1 & 2", '"'), Node("−", (0, 0), "3", "4", ordered=True)]
    drawing = ElementTree.fromstring(svg_graph(nodes, "a < b"))  # noqa: S314
    assert [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")] == [
        "<a>",
        "1 & 2",
        '"',
        "−",
        "3",
        "4",
    ]
    assert drawing.get("aria-label") == "a < b"

"""The room of one network: what it shows is what the library says of the same sample."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from gatescope.data.words import TextsReader
from gatescope.errors import GatescopeError
from gatescope.models.building import build
from gatescope.recipes import convolution
from gatescope.recipes.kinds.kept import INPUTS, Inputs, Output, keep, origin_of
from gatescope.recipes.running.own_samples import look_at
from gatescope.runs.record import record_in
from gatescope.scope.drops import dropout_mask
from gatescope.scope.gates_over_time import gates_over_time
from gatescope.scope.parameters import parameters
from gatescope.scope.receptive import receptive_fields
from gatescope.scope.trace import trace
from gatescope.scope.written import written_sum
from gatescope.studio.rooms.network import looking
from gatescope.studio.rooms.network.looks import Asked, Where

layers = keras.layers
_OPENED = 90_000  # milliseconds for the first: TensorFlow has to start


class Rooms(NamedTuple):
    """Runs, and where their networks are shown."""

    folder: Path
    base: str


def run_folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    with record_in(folder, configuration={}) as writer:
        writer.metrics(0, 0, {"loss": 0.5})
    return folder


def digits_network(root: Path) -> None:
    """As `gatescope train convolution` leaves it, but for the training."""
    keras.utils.set_random_seed(0)
    recipe = convolution.recipe().only("convolution").first()
    folder = run_folder(root, "digits")
    build(recipe.network.blueprint()).save(folder / "model.keras")
    origin = origin_of(recipe, convolution, "convolution")
    keep(folder, recipe.data.load(), recipe.network.outputs, origin)


def text_network(root: Path) -> None:
    keras.utils.set_random_seed(1)
    words = keras.Input((6,), dtype="int32", name="text")
    x = layers.Embedding(6, 4, mask_zero=True, name="embedding")(words)
    x = layers.LSTM(3, return_sequences=True, name="lstm")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.LSTM(2, name="last")(x)
    model = keras.Model(words, layers.Dense(1, "sigmoid", name="good")(x))
    folder = run_folder(root, "texts")
    model.save(folder / "model.keras")
    reader = TextsReader(input="text", words=("", "[UNK]", "good", "bad", "film", "<b>"), length=6)
    inputs = Inputs(reader=reader, outputs=(Output(name="good", kind="binary"),))
    (folder / INPUTS).write_text(inputs.model_dump_json())


def scripts_network(root: Path) -> None:
    """What a script of a user's own leaves: a model, and nothing of its data."""
    keras.utils.set_random_seed(2)
    a, b = keras.Input((5,), name="numbers"), keras.Input((8, 8, 3), name="photo")
    seen = layers.Flatten(name="flat")(layers.MaxPooling2D(2, name="pool")(b))
    x = layers.Concatenate(name="joined")([layers.Dense(4, "relu", name="dense")(a), seen])
    model = keras.Model([a, b], [layers.Dense(2, name="one")(x), layers.Dense(1, name="two")(x)])
    (folder := run_folder(root, "script")).joinpath("kept").mkdir()
    model.save(folder / "kept" / "model.keras")


@pytest.fixture(scope="module")
def rooms(studio: Any) -> Rooms:
    for make in (digits_network, text_network, scripts_network):
        make(studio.folder)
    run_folder(studio.folder, "bare")
    return Rooms(studio.folder, f"{studio.address}/network")


@pytest.fixture(scope="module")
def traced(rooms: Rooms) -> Any:
    """The network of digits on sample 3."""
    looked = look_at(rooms.folder / "digits")
    return trace(looked.model, looked.samples.x["image"][3:4])


def opened(page: Any, address: str, *, unit: bool = True) -> Any:
    """A network's page, once all of it is there."""
    page.goto(address)
    page.locator(".gs-layers .gs-layer-name").first.wait_for(timeout=_OPENED)
    if unit:
        page.get_by_role("heading", name="Circuit").wait_for(timeout=_OPENED)
    page.locator(".gs-waits").wait_for(state="hidden", timeout=_OPENED)
    return page


def signed(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")


def test_a_network_is_chosen_and_its_layers_have_the_costs_that_the_library_counts(
    page: Any, rooms: Rooms
) -> None:
    page.goto(rooms.base)
    names = page.locator("tbody tr td:first-child").all_inner_texts()
    assert {"digits", "script", "texts"} <= set(names)
    assert "bare" not in names
    page.get_by_role("link", name="digits", exact=True).click()
    page.wait_for_url("**/network/digits**")
    page.locator(".gs-layers .gs-layer-name").first.wait_for(timeout=_OPENED)
    costs = parameters(look_at(rooms.folder / "digits").model)
    rows = [
        row.locator("td").all_inner_texts()
        for row in page.locator(".gs-layers tbody tr:has(button)").all()
    ]
    shown = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert list(shown) == [layer.name for layer in costs.layers]
    for layer in costs.layers:
        kind, output, own, unshared, _ = shown[layer.name]
        assert kind == layer.kind and own == f"{layer.parameters:,}"
        assert unshared == (
            "–" if layer.unshared_parameters is None else f"{layer.unshared_parameters:,}"
        )
        assert [int(word) for word in output.split() if word.isdecimal()] == list(
            layer.output_shape or ()
        )
    assert page.get_by_text(f"{costs.parameters:,} parameters").first.is_visible()


def test_a_pixel_is_opened_with_its_sum_its_field_and_its_circuit(
    page: Any, rooms: Rooms, traced: Any, looks_well: Any
) -> None:
    """Another is opened by a click on a feature map; and the page looks well."""
    neuron = traced.neuron("conv_1_1", (0, 2, 5, 7))
    written = written_sum(neuron.element)
    (field,) = receptive_fields(neuron.element)
    opened(page, f"{rooms.base}/digits?layer=conv_1_1&sample=3&unit=2,5,7")
    number = signed(neuron.element.number)
    assert page.get_by_role("heading", name=f"conv_1_1[0, 2, 5, 7] = {number}").is_visible()
    assert written is not None and field.box is not None
    card = page.locator(".gs-card", has_text="Written out")
    cells = [row.locator("td").all_inner_texts() for row in card.locator("tbody tr").all()]
    told = {cell[0]: cell[-1] for cell in cells}
    assert told == {term.source: signed(term.product + 0.0) for term in written.terms}
    (top, bottom), (left, right) = field.box[1:3]
    size = f"{bottom - top + 1} × {right - left + 1} pixels"
    assert page.get_by_text(
        f"Receptive field: {size}, rows {top} to {bottom}, columns {left} to {right}."
    ).is_visible()
    drawn = page.locator(".gatescope-graph text.value").all_text_contents()
    assert f"{neuron.element.number:.2f}".replace("-", "−") in drawn
    large = page.get_by_role("img", name="Feature map 7, 8 by 8")
    box = large.bounding_box()
    large.click(position={"x": box["width"] * 4.5 / 8, "y": box["height"] * 6.5 / 8})
    page.get_by_role("heading", name="conv_1_1[0, 6, 4, 7]").wait_for()
    page.wait_for_url("**unit=6%2C4%2C7**")
    page.reload()
    page.get_by_role("heading", name="conv_1_1[0, 6, 4, 7]").wait_for(timeout=_OPENED)
    page.locator(".gs-card", has_text="What it sees").first.wait_for()
    looks_well(page)


def test_pooling_is_reached_without_a_mouse_and_shows_who_won(
    page: Any, rooms: Rooms, traced: Any
) -> None:
    opened(page, f"{rooms.base}/digits?layer=conv_1_1&sample=3&unit=0,0,0")
    page.get_by_label("Row, 0 to 7").fill("3")
    page.get_by_label("Row, 0 to 7").press("Tab")
    page.get_by_role("heading", name="conv_1_1[0, 3, 0, 0]").wait_for()
    page.locator(".gs-waits").wait_for(state="hidden")
    page.get_by_role("button", name="pool_1", exact=True).press("Enter")
    page.get_by_role("heading", name="pool_1 · MaxPooling2D").wait_for()
    card = page.locator(".gs-card", has_text="Winners")
    card.get_by_label("Channel, 0 to").fill("2")
    card.get_by_role("img", name="Channel 2 of").wait_for()
    assert card.locator("circle").count() == 16
    channel = traced.calls_of("pool_1")[0].inputs[0].array[0][..., 2]
    dots = {
        (int(float(dot.get_attribute("cy"))), int(float(dot.get_attribute("cx"))))
        for dot in card.locator("circle").all()
    }
    for row, column in dots:
        window = channel[row // 2 * 2 : row // 2 * 2 + 2, column // 2 * 2 : column // 2 * 2 + 2]
        assert channel[row, column] == window.max()


def test_a_number_is_followed_to_the_layer_before(page: Any, rooms: Rooms, traced: Any) -> None:
    path = traced.neuron("digit", (0, 4)).path()
    opened(page, f"{rooms.base}/digits?layer=digit&sample=3&unit=4")
    nav = page.get_by_role("navigation", name="Down to the inputs")
    for one in path[1:]:
        assert nav.get_by_text(f"{one.name} = ", exact=False).is_visible()
    (pooled,) = (one.name for one in path if one.name.startswith("pool_1["))
    nav.get_by_role("button", name=f"{pooled} = ").click()
    page.get_by_role("heading", name=f"{pooled} = ").wait_for()
    page.locator(".gs-layer-name[aria-current]", has_text="pool_1").wait_for()
    page.get_by_role("heading", name="pool_1 · MaxPooling2D").wait_for()


def test_a_text_of_ones_own_is_weighed_gated_and_dropped(
    page: Any, rooms: Rooms, options_of: Any, looks_well: Any
) -> None:
    """What words do to the answer, gates over time, a draw of dropout; the page looks well."""
    opened(page, f"{rooms.base}/texts?layer=good")
    page.get_by_label("Or a text of your own").fill("bad <b>film</b> good")
    page.get_by_label("Or a text of your own").press("Enter")
    page.wait_for_url("**text=bad**")
    page.locator(".gs-word", has_text="bad").wait_for()
    words = [word.strip() for word in page.locator(".gs-word").all_inner_texts()]
    assert words[0] == "bad" and words[-1] == "good"
    assert page.locator("b", has_text="film").count() == 0

    looked = look_at(rooms.folder / "texts")
    ids = looked.reader.read(["bad <b>film</b> good"])["text"]
    embedding, lstm, dropout = (
        looked.model.get_layer(name) for name in ("embedding", "lstm", "dropout")
    )
    (course,) = gates_over_time(lstm, embedding(ids), ids != 0)
    page.get_by_role("button", name="lstm", exact=True).click()
    label = "Forget gate: how much of the cell is kept, 6 steps by 3 units"
    page.get_by_label(label).locator("svg").wait_for()
    options = options_of(page, label)
    expected = course.gates["forget"][0]
    for step, unit, shown, *_ in options["series"][0]["data"]:
        if shown is None:
            assert np.isnan(expected[step, unit])
        else:
            assert shown == pytest.approx(float(expected[step, unit]), abs=1e-6)
    assert options["xAxis"]["data"][0] == "0 bad"
    assert page.get_by_text("Empty steps are padding").first.is_visible()
    page.wait_for_url("**layer=lstm**unit=**")
    page.locator(".gs-waits").wait_for(state="hidden")
    looks_well(page)

    page.set_viewport_size({"width": 1280, "height": 720})
    opened(page, f"{rooms.base}/texts?layer=dropout&text=bad+<b>film</b>+good")
    for seed in (0, 6):
        if seed:
            page.get_by_label("Seed of the draw").fill(str(seed))
            page.get_by_label("Seed of the draw").press("Tab")
        out = int((dropout_mask(dropout, (1, 6, 3), seed) == 0).sum())
        page.get_by_text(f"{out} of 18 numbers are left out").wait_for()
    page.wait_for_url("**seed=6**")


def test_a_model_without_known_data_is_shown_random_numbers(page: Any, rooms: Rooms) -> None:
    opened(page, f"{rooms.base}/script?layer=dense&unit=1")
    assert page.get_by_text("random numbers, for it is not known").is_visible()
    assert page.get_by_text("The network as it was before training").is_visible()
    assert page.get_by_role("heading", name="The network says of output 2").is_visible()
    page.get_by_role("button", name="two", exact=True).click()
    for name in ("numbers", "photo"):
        page.get_by_role("heading", name=f"What it sees of {name}").wait_for()


@pytest.mark.parametrize(
    ("sample", "where", "told"),
    [(0, Where("conv_2", (0, 0, 0)), "no layer 'conv_2' ran"),
     (0, Where("conv_1_1", (9, 9, 9)), "has no element"),
     (0, Where("conv_1_1", (1,)), "has no element"),
     (99_999, Where("conv_1_1", (1, 1, 1)), "there is no sample 99999"),
     (0, Where("conv_1_1", (1, 1, 1), 99_999), "there is no gate 99999")],
)  # fmt: skip
def test_a_number_that_is_not_there_is_told(
    rooms: Rooms, sample: int, where: Where, told: str
) -> None:
    with pytest.raises(GatescopeError, match=told):
        looking.unit(Asked(rooms.folder / "digits", sample, ""), where, None)


def test_what_cannot_be_shown_is_said(page: Any, rooms: Rooms) -> None:
    """Of a run without a model, of none, of a place that is none, of a damaged model."""
    page.goto(f"{rooms.base}/bare")
    assert page.get_by_text("keeps no model").is_visible()
    assert page.get_by_text("gatescope train convolution").is_visible()
    page.goto(f"{rooms.base}/..%2f..%2fetc")
    assert page.get_by_text("gatescope train convolution").is_visible()
    opened(page, f"{rooms.base}/digits?layer=conv_1_1&unit=9,9,9&seed=%3Cb%3E", unit=False)
    page.locator(".gs-problem", has_text="has no element").wait_for()
    folder = run_folder(rooms.folder, "damaged")
    (folder / "model.keras").write_bytes(b"PK no zip at all")
    page.goto(f"{rooms.base}/damaged")
    page.locator(".gs-problem", has_text="is no .keras file").wait_for(timeout=_OPENED)


def test_a_run_that_is_deleted_meanwhile_gets_a_sentence(page: Any, rooms: Rooms) -> None:
    shutil.copytree(rooms.folder / "digits", rooms.folder / "doomed")
    opened(page, f"{rooms.base}/doomed?layer=conv_1_1")
    shutil.rmtree(rooms.folder / "doomed")
    page.get_by_role("button", name="pool_1", exact=True).click()
    page.locator(".gs-problem", has_text="there is no run 'doomed' any more").wait_for()

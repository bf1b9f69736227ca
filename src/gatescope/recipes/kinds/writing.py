"""Networks that write, character by character: training, bits per character, samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from rich.console import Console

from gatescope.data.characters import Characters, Corpus, load_characters
from gatescope.recipes.kinds.ngrams import ngram_bits
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.results import Band, Results
from gatescope.report.html import Html, element, escape, paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.training.fit import FitConfig, Fitted, fit

BITS = "bits per character"
_CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple": keras.layers.SimpleRNN}
_START, _BATCH = 40, 64


class LanguageRecipe(Recipe):
    """A recurrent network that guesses the next character.

    Args:
        corpus: The text.
        cell: Of its recurrent layers.
        units: Of each of them.
        embedding: Numbers that stand for a character, learned.
        dropout: Share of what the last layer says that a step of training leaves out.
        window: Characters that the gradient goes back through.
        training: How it is trained.
        temperatures: At which it writes.
        written: Characters of each sample.
        expected: The band of `bits per character`.
    """

    corpus: Corpus
    cell: Literal["lstm", "gru", "simple"]
    units: tuple[PositiveInt, ...] = Field(min_length=1)
    embedding: PositiveInt = 32
    dropout: float = Field(default=0.1, ge=0, lt=1)
    window: PositiveInt
    training: FitConfig
    temperatures: tuple[PositiveFloat, ...]
    written: PositiveInt = 400
    expected: Mapping[str, Band]

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Trains it, scores it beside n-grams, and lets it write; see `run_language`."""
        return run_language(self, folder, resume=resume, console=console)


def run_language(
    recipe: LanguageRecipe, folder: Path, *, resume: bool, console: Console | None
) -> Results:
    """Trains a network on a text, compares it with n-grams, and lets it write.

    Args:
        recipe: What to do.
        folder: Where the run goes.
        resume: Whether to go on there.
        console: Where progress is shown.
    """
    text = load_characters(recipe.corpus)
    keras.utils.set_random_seed(recipe.training.seed)
    model = built(recipe, len(text.alphabet))
    model.compile(loss="sparse_categorical_crossentropy")
    fitted = fit(
        model, windows(text.train, recipe.window), recipe.training, run=folder / "run",
        resume=resume, validation=windows(text.dev, recipe.window), console=console,
    )  # fmt: skip
    symbols, parts = len(text.alphabet), (text.train, text.dev, text.test)
    orders = {"unigram": 1, "trigram": 3}
    return Results(
        scores={BITS: bits_per_character(model, text.test, recipe.window)},
        expected=recipe.expected,
        baselines={
            f"{name}, {BITS}": ngram_bits(*parts, symbols=symbols, order=order)
            for name, order in orders.items()
        },
        rows=[(len(text.train), len(text.test), symbols, model.count_params())],
        columns=["characters to learn from", "to be judged by", "different", "parameters"],
        pictures=[_curves(fitted), _samples(recipe, model, text)],
    )


def built(recipe: LanguageRecipe, symbols: int) -> keras.Model:
    """The network.

    Input shape: `(batch, steps)`, numbers of characters.
    Output shape: `(batch, steps, symbols)`, probabilities of the next one.

    Args:
        recipe: Its layers.
        symbols: How many characters there are.
    """
    given = keras.Input((None,), dtype="int32", name="text")
    x = keras.layers.Embedding(symbols, recipe.embedding)(given)
    for units in recipe.units:
        x = _CELLS[recipe.cell](units, return_sequences=True)(x)
    x = keras.layers.Dropout(recipe.dropout)(x)
    return keras.Model(given, keras.layers.Dense(symbols, activation="softmax", name="next")(x))


def windows(text: NDArray[np.int32], length: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Consecutive stretches of a text, and the same ones a character later.

    Args:
        text: Numbers of characters.
        length: Characters of a stretch; what is left at the end is left out.
    """
    length = min(length, len(text) - 1)
    count = (len(text) - 1) // length
    before, after = (text[start : start + count * length] for start in (0, 1))
    return before.reshape(count, length), after.reshape(count, length)


def bits_per_character(model: keras.Model, text: NDArray[np.int32], window: int) -> float:
    """What a character of a text costs, given those before it.

    Stretches overlap by half, and their first halves are only read, for nothing comes before them.

    Args:
        model: What `built` made.
        text: Numbers of characters.
        window: Characters that it learned to look back on.
    """
    half = min(window, (len(text) - 1) // 2)
    starts = range(0, len(text) - 2 * half, half)
    x = np.stack([text[start : start + 2 * half] for start in starts])
    y = np.stack([text[start + half + 1 : start + 2 * half + 1] for start in starts])
    bits = []
    for start in range(0, len(x), _BATCH):
        said = np.asarray(model.predict_on_batch(x[start : start + _BATCH]))[:, half:]
        true = y[start : start + _BATCH, :, None]
        bits.append(-np.log2(np.take_along_axis(said, true, -1) + 1e-9).ravel())
    return float(np.concatenate(bits).mean())


def written(
    model: keras.Model, start: NDArray[np.int32], temperatures: Sequence[float], count: int,
    seed: int,
) -> NDArray[np.int32]:  # fmt: skip
    """Lets a network write, once at each temperature.

    Args:
        model: What `built` made.
        start: What it reads before.
        temperatures: What its logits are divided by.
        count: Characters to write.
        seed: Of what is drawn.

    Returns:
        Of shape `(temperatures, count)`.
    """
    layers = [each for each in model.layers if isinstance(each, keras.layers.RNN)]
    embedding, last = model.layers[1], model.layers[-1]
    rng = np.random.default_rng(seed)

    @tf.function
    def step(symbols: tf.Tensor, states: list[Any]) -> tuple[tf.Tensor, list[Any]]:
        x, after = embedding(symbols), []
        for layer, state in zip(layers, states, strict=True):
            x, state = layer.cell(x, state)
            after.append(state)
        return tf.math.log(last(x)), after

    many = len(temperatures)
    states: list[Any] = [layer.get_initial_state(many) for layer in layers]
    for symbol in start:
        logits, states = step(tf.fill([many], symbol), states)
    found = []
    for _ in range(count):
        noise = rng.gumbel(size=logits.shape)  # the largest is a draw from the softmax
        chosen = (np.asarray(logits) / np.array(temperatures)[:, None] + noise).argmax(-1)
        found.append(chosen.astype(np.int32))
        logits, states = step(tf.constant(found[-1]), states)
    return np.stack(found, 1)


def _samples(recipe: LanguageRecipe, model: keras.Model, text: Characters) -> Html:
    start = text.test[:_START]
    seed = recipe.training.seed
    rows = written(model, start, recipe.temperatures, recipe.written, seed)
    parts = [
        element("h3", escape(f"Temperature {temperature:g}"))
        + element(
            "pre",
            element("b", escape(text.written(start.tolist()))),
            escape(text.written(row.tolist())),
        )
        for temperature, row in zip(recipe.temperatures, rows, strict=True)
    ]
    return section(
        "What it writes",
        paragraph("What is bold is given, from the test part; the rest it writes."),
        *map(Html, parts),
    )


def _curves(fitted: Fitted) -> Html:
    lines = [
        Series(told, range(1, len(line) + 1), [value / np.log(2) for value in line])
        for told, name in (("training", "loss"), ("held out", "val_loss"))
        if (line := fitted.history.get(name))
    ]
    return section("Learning", line_chart(lines, title=BITS, x_label="epoch", y_label="bits"))

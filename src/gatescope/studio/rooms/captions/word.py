"""What is told of one word: what else could be said, whether its region mattered, its circuit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import exp
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, final

from nicegui import ui

from gatescope.report.bars import bars
from gatescope.studio.frame import card, text, whole_table

if TYPE_CHECKING:
    from gatescope.caption.faithfulness import Proof
    from gatescope.caption.inspection import Inspection
    from gatescope.scope.neuron import Neuron

Answer = TypeVar("Answer")
_CHOICES = 10
_TERMS = 6  # of a sum, that are drawn
_INPUTS = 8  # of a circuit, in the table
_LEADS = 3  # of them that can be opened
_SPECIAL = {"<end>": "(the caption ends)", "<unk>": "(an unknown word)"}


class Compute(Protocol):
    """Computes something off the page, and says meanwhile that it does."""

    async def __call__(self, doing: str, task: Callable[[], Answer]) -> Answer | None:
        """Returns the task's answer; None where the page has gone on to something else."""


class Circuit(NamedTuple):
    """A number that was opened: its drawing, and what it can be followed to."""

    neuron: Neuron
    drawing: str
    behind: tuple[Neuron, ...]


@final
class WordView:
    """The cards of one word.

    Args:
        compute: See `Compute`.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._root = ui.element("div").classes("gs-stack")
        self._trail: list[Circuit] = []

    def clear(self) -> None:
        """Shows no word, and lets go of its circuit, which holds the whole network's values."""
        self._trail = []
        self._root.clear()

    async def show(self, inspection: Inspection, place: int) -> None:
        """Shows a word.

        Args:
            inspection: The caption.
            place: Of the word, from 0.
        """
        self.clear()
        word = inspection.caption.words[place]
        with self._root:
            with ui.element("div").classes("gs-columns even"):
                with card(f"What could come {_where(inspection, place)}"):
                    choices = ui.element("div")
                with card(f"Did its region matter to “{word.text}”?"):
                    proof = ui.element("div")
            with card(f"The score of “{word.text}” as a circuit"):
                self._circuit = ui.element("div").classes("gs-stack")
        with self._circuit:
            text(
                "Its logit, from the decoder's last gates down to the pixels, with the numbers of "
                "this photo. The network runs once more, with every gate recorded."
            )
            with ui.element("div").classes("gs-row"):
                _button("Open the circuit", partial(self._open, lambda: word.neuron(_TERMS)))
        await self._tell(inspection, place, choices, proof)

    async def _tell(
        self, inspection: Inspection, place: int, choices: ui.element, proof: ui.element
    ) -> None:
        said = inspection.caption.words[place]
        found = await self._compute(
            "Reading the caption again", lambda: inspection.next_words(place, _CHOICES)
        )
        if found is None:
            return
        with choices:
            likeliest = dict(found)
            shown = likeliest | {said.text: exp(said.logprob)}
            rows = [
                (_SPECIAL.get(word, word), share, _percent(share)) for word, share in shown.items()
            ]
            ui.html(bars(rows, label="Probability of the next word"), sanitize=False)
            text(_chosen(said.text, found[0].text)).classes("note")
        proofs = await self._compute(
            "Painting regions over and asking again", lambda: inspection.proofs
        )
        if proofs is not None:
            with proof:
                _show_proof(proofs[place])

    async def _open(self, opened: Callable[[], Neuron]) -> None:
        """Opens a circuit, and those that it leads on to."""

        def circuit() -> Circuit:
            neuron = opened()
            return Circuit(neuron, neuron.to_svg(), tuple(neuron.follow(_LEADS)))

        found = await self._compute("Opening the circuit", circuit)
        if found is not None:
            self._trail.append(found)
            self._draw()

    def _back(self, place: int) -> None:
        del self._trail[place + 1 :]
        self._draw()

    def _draw(self) -> None:
        neuron, drawing, behind = self._trail[-1]
        self._circuit.clear()
        with self._circuit:
            if len(self._trail) > 1:
                with ui.element("nav").classes("gs-row").props('aria-label="Circuits before"'):
                    for place, passed in enumerate(self._trail[:-1]):
                        _button(passed.neuron.name, partial(self._back, place), icon="arrow_back")
            text(f"{neuron.heading}.").classes("note")
            drawn = ui.html(drawing, sanitize=False).classes("gs-drawing")
            drawn.props("tabindex=0 role=group").props["aria-label"] = f"Circuit of {neuron.name}"
            text("What pushed it up, and what held it down", tag="h3")
            _show_shares(neuron)
            if not behind:
                text("Behind it are only the photo and weights.").classes("note")
                return
            with ui.element("div").classes("gs-row"):
                text("Go on to what contributed most:", tag="span")
                for one in behind:
                    _button(one.name, partial(self._open, partial(_itself, one)))


def _itself(neuron: Neuron) -> Neuron:
    return neuron


def _button(label: str, on_click: Callable[[], Any], **settings: str) -> None:
    ui.button(label, on_click=on_click, **settings).props("outline dense no-caps padding='xs sm'")


def _show_shares(neuron: Neuron) -> None:
    shares = list(neuron.contributions.items())[:_INPUTS]
    rows = [{"input": name, "adds": f"{share:+.4f}".replace("-", "−")} for name, share in shares]
    whole_table(rows, ("input", "adds"), numbers=("adds",)).classes("gs-narrow")


def _where(inspection: Inspection, place: int) -> str:
    before = " ".join(word.text for word in inspection.caption.words[:place])
    return f"after “{before}”" if before else "first"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _chosen(said: str, likeliest: str) -> str:
    """How the word that was said stands among those that could be."""
    if likeliest == said:
        return f"“{said}” was the likeliest."
    return (
        f"“{said}” was not the likeliest here: the search keeps several captions and chooses by "
        "the whole."
    )


def _show_proof(proof: Proof | None) -> None:
    if proof is None:
        text(
            "It needed no region: the sentinel, which stands for not looking, outweighed them all. "
            "So nothing was painted over."
        )
        return
    rows: list[tuple[str, float, str]] = [
        (name, share, _percent(share))
        for name, share in (
            ("the whole photo", proof.before),
            ("its region painted over", proof.masked),
            ("other boxes of its size, mean", proof.random),
        )
    ]
    ui.html(bars(rows, label="Probability of the word"), sanitize=False)
    if proof.mattered:
        text(
            "It mattered: without its region the word lost more than without boxes of the same "
            "size elsewhere."
        )
    else:
        text(
            "There is no sign that it mattered: boxes of the same size elsewhere cost the word as "
            "much or more, or it lost nothing."
        )

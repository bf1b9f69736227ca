"""The room of captions: a photo, its words, and where each of them came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, final
from urllib.parse import urlencode

from nicegui import app, events, run, ui
from starlette.requests import Request

from gatescope.errors import GatescopeError, PhotoError
from gatescope.studio.frame import Studio, card, room, set_text, text, whole_table
from gatescope.studio.rooms.captions import photos
from gatescope.studio.rooms.captions.captioned_photo import Box, CaptionedPhoto, box_of
from gatescope.studio.rooms.captions.captioners import SHIPPED, Captioners
from gatescope.studio.rooms.captions.photos import Photo
from gatescope.studio.rooms.captions.region import RegionView
from gatescope.studio.rooms.captions.word import WordView

if TYPE_CHECKING:
    from gatescope.caption.captioner import Captioner
    from gatescope.caption.inspection import Inspection

Answer = TypeVar("Answer")

_LEAD = (
    "Choose a photo, or drop one of yours. Each word of its caption shows where the captioner "
    "looked, what else it could have said, and whether the region mattered."
)
_BEAMS = (1, 2, 3, 5, 10)
_BEAM = 3
_SECONDS = 0.5
_KEPT = "Your photo stays in this computer's memory, and is forgotten when you leave this page."


@dataclass(frozen=True)
class Asked:
    """What an address asks for.

    Args:
        photo: A shipped one by its name; empty for none, or for one of the visitor's own.
        word: Which word is opened, from 1; 0 for none.
        beam: How many captions the search keeps.
        captioner: A run that has one; empty for the shipped one.
        box: A region of the visitor's own.
        alone: Whether it stands in place of those that are found.
    """

    photo: str = ""
    word: int = 0
    beam: int = _BEAM
    captioner: str = SHIPPED
    box: Box | None = None
    alone: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Reads an address; what cannot be meant is left out.

        Args:
            query: The address's.
        """
        beam, word = query.get("beam", ""), query.get("word", "")
        return cls(
            photo=query.get("photo", ""),
            word=int(word) if word.isdecimal() and len(word) < 4 else 0,
            beam=int(beam) if beam in map(str, _BEAMS) else _BEAM,
            captioner=query.get("captioner", SHIPPED),
            box=box_of(query.get("box", "").split(",")),
            alone="alone" in query,
        )

    @property
    def address(self) -> str:
        """Where the same is asked for again."""
        told = {
            "photo": self.photo,
            "word": self.word or "",
            "beam": self.beam if self.beam != _BEAM else "",
            "captioner": self.captioner,
            "box": ",".join(f"{side:g}" for side in self.box or ()),
            "alone": "1" if self.box and self.alone else "",
        }
        query = urlencode({name: value for name, value in told.items() if value})
        return f"/captions?{query}" if query else "/captions"


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """
    captioners = Captioners(studio.folder)
    app.on_shutdown(captioners.close)

    @ui.page("/captions")
    def captions(request: Request) -> None:
        with room("Captions", "Captions", _LEAD):
            CaptionsView(captioners, Asked.of(request.query_params))


@final
class CaptionsView:
    """The page of one visitor.

    Args:
        captioners: All that can be asked.
        asked: What the page begins with.
    """

    def __init__(self, captioners: Captioners, asked: Asked) -> None:
        self._captioners, self._asked = captioners, asked
        self._photo: Photo | None = None
        self._seen: Inspection | None = None  # what is shown
        self._plain: Inspection | None = None  # without a region of the visitor's own
        self._turn = 0  # of what is asked for; answers to what was asked before are dropped
        self._doing: list[str] = []
        self._draw_choice()
        self._problem = text("").classes("gs-problem").props('role="alert"')
        with ui.element("div").classes("gs-progress").props('role="status"') as self._progress:
            ui.spinner(size="1.25rem").props("aria-hidden=true")
            self._told = text("", tag="span")
        self._progress.set_visibility(False)
        with ui.element("div").classes("gs-stack gs-result") as self._result:
            self._draw_result()
        self._result.set_visibility(False)
        ui.timer(_SECONDS, self._tell_progress)
        ui.timer(0, self._begin, once=True)
        ui.timer(0, self._show_thumbnails, once=True)

    def _draw_choice(self) -> None:
        with card("Photo"), ui.element("div").classes("gs-choose"):
            with ui.element("div").classes("gs-thumbnails").props('role="group"') as group:
                group.props["aria-label"] = "Shipped photos"
                self._thumbnails = {name: self._thumbnail(name) for name in photos.SHIPPED}
            with ui.element("div").classes("gs-stack"):
                self._draw_upload()
                with ui.element("div").classes("gs-options"):
                    self._draw_options()

    def _thumbnail(self, name: str) -> ui.element:
        with ui.element("button").props("type=button").classes("gs-thumbnail") as button:
            ui.element("img").props('alt=""')
            text(name, tag="span")
        button.on("click", lambda: self._take_shipped(name))
        return button

    async def _show_thumbnails(self) -> None:
        for name, button in self._thumbnails.items():
            (picture, *_) = button.default_slot.children
            picture.props["src"] = await run.io_bound(photos.thumbnail, name)

    def _draw_upload(self) -> None:
        self._upload = ui.upload(
            auto_upload=True, max_file_size=photos.MOST_BYTES, on_upload=self._take_upload,
            on_rejected=self._refuse_upload,
        ).props("flat").classes("gs-upload")  # fmt: skip
        self._upload.on("failed", self._miss_upload, args=[])
        self._upload.add_slot("header", _UPLOAD)
        self._upload.add_slot("list", "<span></span>")

    def _draw_options(self) -> None:
        known = {SHIPPED: "the shipped one"} | {
            name: f"run {name}" for name in self._captioners.runs
        }
        # One that the address names and that is gone can still be seen to be asked for.
        known.setdefault(self._asked.captioner, f"run {self._asked.captioner}")
        chosen = ui.select(
            known, label="Captioner", value=self._asked.captioner,
            on_change=lambda event: self._again(captioner=event.value),
        )  # fmt: skip
        chosen.set_visibility(len(known) > 1)
        ui.select(
            list(_BEAMS), label="Beam: captions that the search keeps", value=self._asked.beam,
            on_change=lambda event: self._again(beam=event.value),
        )  # fmt: skip

    def _draw_result(self) -> None:
        with card("Caption"):
            self._headline = ui.element("div").classes("gs-row")
            self._shown = CaptionedPhoto(self._choose_word, self._take_box)
        with ui.element("div").classes("gs-stack") as self._details:
            self._word = WordView(self._compute)
            with ui.element("div").classes("gs-columns even"):
                with card("Captions that the search found"):
                    self._alternatives = ui.element("div").classes("gs-stack")
                self._region = RegionView(self._use_box, self._shown.set_drawing)
            self._region.draw_changes()

    async def _begin(self) -> None:
        """Loads the captioner, and captions what the address asks for."""
        if self._asked.photo:
            await self._take_shipped(self._asked.photo, keep=True)
        else:
            await self._ask("", lambda captioner: None)

    # What a visitor does.

    async def _take_shipped(self, name: str, *, keep: bool = False) -> None:
        await self._take(lambda: photos.shipped(name), name, keep=keep)

    async def _take_upload(self, event: events.UploadEventArguments) -> None:
        file = event.file
        self._upload.reset()
        if file.size() > photos.MOST_BYTES:
            self._refuse_upload()
            return
        content = await file.read()
        await self._take(lambda: photos.uploaded(file.name, content), "")

    def _refuse_upload(self) -> None:
        self._upload.reset()
        self._say(photos.too_large("the file"))

    def _miss_upload(self) -> None:
        self._upload.reset()
        self._say(PhotoError("the file did not arrive", "a whole upload", "Choose it again"))

    async def _take(self, take: Callable[[], Photo], name: str, *, keep: bool = False) -> None:
        """Takes a photo, with the word and the region of the address, or without any."""
        self._turn += 1
        turn = self._turn
        with self._errors():
            photo = await run.io_bound(take)
            if photo is None or turn != self._turn:  # None: the server is being stopped
                return
            kept = self._asked if keep else replace(self._asked, word=0, box=None, alone=False)
            self._photo = photo
            self._asked = replace(kept, photo=name)
            self._mark(name)
            self._shown.show_photo(photo)
            self._result.set_visibility(True)
            if not keep:
                ui.run_javascript(f"getHtmlElement({self._result.id}).scrollIntoView()")
            await self._caption()

    async def _again(self, **changed: Any) -> None:
        """Captions the same photo in another way."""
        self._asked = replace(self._asked, word=0, **changed)
        self._turn += 1
        await (self._caption() if self._photo else self._begin())

    def _take_box(self, box: Box) -> Any:
        return self._region.drawn(box)

    async def _use_box(self, box: Box | None, alone: bool) -> None:
        self._asked = replace(self._asked, box=box, alone=alone, word=0)
        self._turn += 1
        await self._caption(self._plain)

    async def _choose_word(self, place: int) -> None:
        """Opens a word, or closes it where it is the one that is open."""
        if self._asked.word != place + 1:
            await self._open_word(place)
            return
        self._turn += 1
        self._asked = replace(self._asked, word=0)
        ui.navigate.history.replace(self._asked.address)
        self._shown.select(None)
        self._word.clear()

    async def _open_word(self, place: int) -> None:
        if self._seen is None:
            return
        self._turn += 1
        self._asked = replace(self._asked, word=place + 1)
        ui.navigate.history.replace(self._asked.address)
        self._shown.select(place)
        await self._word.show(self._seen, place)

    # What the captioner does.

    async def _caption(self, plain: Inspection | None = None) -> None:
        """Captions the photo and shows what came out.

        Args:
            plain: Its caption without a region of the visitor's own, where it is known.
        """
        photo, asked = self._photo, self._asked
        if photo is None:
            return
        ui.navigate.history.replace(asked.address)
        self._forget()
        found = await self._ask(
            f"Captioning {photo.name}", lambda captioner: _captioned(captioner, photo, asked, plain)
        )
        if found is not None:
            self._plain, self._seen = found
            self._show(photo, *found)
            if 0 < asked.word <= len(self._seen.caption.words):
                await self._open_word(asked.word - 1)

    async def _compute(self, doing: str, task: Callable[[], Answer]) -> Answer | None:
        return await self._ask(doing, lambda _: task())

    async def _ask(self, doing: str, question: Callable[[Captioner], Answer]) -> Answer | None:
        """Asks the captioner; None where it went wrong, or the visitor has gone on meanwhile."""
        turn = self._turn

        def wanted() -> bool:
            return turn == self._turn and not self._result.is_deleted

        with self._errors(), self._working(doing):
            found = await self._captioners.ask(
                self._asked.captioner, lambda one: question(one) if wanted() else None
            )
            return found if wanted() else None
        return None

    @contextmanager
    def _working(self, doing: str) -> Iterator[None]:
        """Says what is being done, until it is."""
        self._doing.append(doing)
        self._tell_progress()
        try:
            yield
        finally:
            self._doing.remove(doing)
            self._tell_progress()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Says an error of the visitor's to solve on the page."""
        set_text(self._problem, "")
        try:
            yield
        except GatescopeError as error:
            self._say(error)

    # What is shown.

    def _say(self, error: GatescopeError) -> None:
        fix = error.fix[:1].upper() + error.fix[1:]
        set_text(self._problem, f"{error.happened}. Expected: {error.expected}. {fix}.")

    def _tell_progress(self) -> None:
        """Says what is being done, and how long loading takes, each half second."""
        self._progress.set_visibility(bool(self._doing))
        if not self._doing:
            return
        loading = self._captioners.loading
        if loading:
            passed, expected = loading
            late = ", for much else is going on" if passed > expected else ""
            told = f"Loading the captioner: {passed:.0f} s of about {expected:.0f} s{late}"
        else:
            told = f"{self._doing[-1] or 'Waiting for the captioner'} …"
        set_text(self._told, told)

    def _mark(self, name: str) -> None:
        """Marks the photo that is shown, among the shipped ones."""
        for each, button in self._thumbnails.items():
            button.props["aria-pressed"] = str(each == name).lower()

    def _forget(self) -> None:
        """Takes away what was told of another caption."""
        self._seen = None
        self._headline.clear()
        self._shown.clear_words()
        self._word.clear()
        self._details.set_visibility(False)
        self._region.clear()

    def _show(self, photo: Photo, plain: Inspection, seen: Inspection) -> None:
        self._details.set_visibility(True)
        self._shown.show(seen, photo.name, self._asked.box)
        self._region.set(self._asked.box, alone=self._asked.alone)
        if seen is not plain:
            self._region.tell(plain, seen)
        with self._headline:
            _draw_headline(photo, seen)
        self._alternatives.clear()
        with self._alternatives:
            _draw_alternatives(seen, self._asked.beam)


def _captioned(
    captioner: Captioner, photo: Photo, asked: Asked, plain: Inspection | None
) -> tuple[Inspection, Inspection]:
    """The caption without and with a region of the visitor's own; the same where there is none."""
    pixels = photo.pixels(captioner.bundle.description.regions.photo_size)
    plain = plain or captioner.inspect(pixels, beam=asked.beam)
    if asked.box is None:
        return plain, plain
    found = [] if asked.alone else plain.proposals.tolist()
    return plain, captioner.inspect(pixels, beam=asked.beam, boxes=[asked.box, *found])


def _draw_headline(photo: Photo, seen: Inspection) -> None:
    caption = seen.caption
    sure = "" if caption.sure else "not sure, "
    badge = text(f"{sure}confidence {100 * caption.confidence:.0f} %", tag="span").classes("badge")
    if not caption.sure:
        badge.classes("doubtful")
    if photo.content is not None:
        text(_KEPT).classes("note")


def _draw_alternatives(seen: Inspection, beam: int) -> None:
    rows = [
        {"caption": one.text, "score": _signed(one.score), "log probability": _signed(one.logprob)}
        for one in seen.alternatives
    ]
    columns = ("caption", "score", "log probability")
    whole_table(rows, columns, numbers=columns[1:]).classes("gs-wrapped")
    text(
        f"The search kept {beam} at every word. It ranks finished captions by their score: the "
        "log probability (natural logarithm, the end included) over a power of the length. The "
        "first is the one shown."
    ).classes("note")


def _signed(number: float) -> str:
    return f"{number:.3f}".replace("-", "−")


_UPLOAD = f"""
<div class="gs-drop">
  <q-btn no-caps outline color="primary" label="Choose a photo of yours" @click="props.pickFiles" />
  <q-uploader-add-trigger
    @vue:mounted="(node) => node.el.setAttribute('aria-label', 'A photo of yours')" />
  <span>or drop one here: JPEG, PNG, WebP, GIF, TIFF or BMP,
    at most {photos.MOST_BYTES // 1_000_000} MB</span>
  <q-linear-progress v-if="props.isUploading" :value="props.uploadProgress"
    aria-label="Upload" />
</div>
"""

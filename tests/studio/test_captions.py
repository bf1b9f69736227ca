"""The room of captions: what it shows is what the captioner says, and uploads are nobody's harm."""

from __future__ import annotations

import http.client
import io
import re
import shutil
import struct
import zlib
from math import exp
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from gatescope.caption.folders import DESCRIPTION
from gatescope.data.samples import sample_photo
from gatescope.studio.safety import MOST_BYTES

SHIPPED = Path(__file__).parents[2] / "src" / "gatescope" / "caption" / "shipped"
if not (SHIPPED / DESCRIPTION).exists():
    pytest.skip("the shipped captioner is not there", allow_module_level=True)

LOADED = 120_000  # milliseconds for TensorFlow and a captioner, on a machine that does much else
PHOTO = "motorcycle"
BOX = (0.1, 0.2, 0.6, 0.7)


@pytest.fixture(scope="module")
def address(studio) -> str:
    shutil.copytree(SHIPPED, studio.folder / "mine" / "bundle")
    return f"{studio.address}/captions"


@pytest.fixture(scope="module")
def captioner():
    from gatescope.caption.captioner import load_captioner

    return load_captioner()


@pytest.fixture(scope="module")
def seen(captioner):
    return captioner.inspect(sample_photo(PHOTO))


def words(page: Any) -> Any:
    return page.locator(".gs-word b")


def opened(page: Any, address: str) -> None:
    """Waits until a photo is captioned."""
    page.goto(address)
    page.locator(".gs-word").first.wait_for(timeout=LOADED)


def wait_for_text(page: Any, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).first.wait_for(timeout=LOADED)


def said(page: Any) -> str:
    return " ".join(words(page).all_inner_texts())


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def signed(number: float) -> str:
    return f"{number:.3f}".replace("-", "−")


def numberless(told: str) -> str:
    """Without the number that Keras gives to the second and further decoders of a process."""
    return re.sub(r"(caption_decoder|decoder)_\d+", r"\1", told)


def rows(table: Any) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_a_visitor_chooses_a_photo_and_reads_what_the_library_says_of_it(
    page, address, captioner, seen, looks_well
):
    """Then with another beam; and the page looks well."""
    page.goto(address)
    assert page.get_by_role("heading", level=1).inner_text() == "Captions"
    assert page.locator(".gs-thumbnail").count() == 10
    assert page.get_by_text("or drop one here").is_visible()
    assert page.locator(".gs-word").count() == 0
    page.wait_for_function(
        "[...document.querySelectorAll('.gs-thumbnail img')].every(each => each.naturalWidth)"
    )
    page.get_by_role("button", name=PHOTO).click()
    page.locator(".gs-word").first.wait_for(timeout=LOADED)
    expect_caption(page, seen)
    assert said(page) == captioner.caption(sample_photo(PHOTO)).text
    assert page.url.endswith(f"?photo={PHOTO}")
    page.get_by_label("Beam: captions that the search keeps").click()
    page.get_by_role("option", name="5").click()
    page.wait_for_url("**beam=5")
    page.mouse.move(1, 1)  # it may stand over a word, where the option was
    page.locator(".gs-wrapped tbody tr").nth(4).wait_for(timeout=LOADED)
    expect_caption(page, captioner.inspect(sample_photo(PHOTO), beam=5))
    looks_well(page)


def expect_caption(page, seen):
    from gatescope.caption.view import FLAT, flatness

    caption = seen.caption
    assert said(page) == caption.text
    told = page.locator(".gs-word small").all_inner_texts()
    most = seen.most_entropy
    assert told == [f"{word.entropy:.1f} of {most:.1f} bits" for word in caption.words]
    assert f"confidence {100 * caption.confidence:.0f} %" in page.locator(".badge").inner_text()
    assert ("not sure" in page.locator(".badge").inner_text()) is not caption.sure
    found = rows(page.locator(".gs-wrapped"))
    assert found == [
        [one.text, signed(one.score), signed(one.logprob)] for one in seen.alternatives
    ]
    assert [caption.text, *caption.alternatives] == [row[0] for row in found]
    assert page.locator(".gs-photo .outline").count() == seen.proposed
    flat = [flatness(seen, place) >= FLAT for place in range(len(caption.words))]
    marked = [
        "flat" in (word.get_attribute("class") or "").split()
        for word in page.locator(".gs-word").all()
    ]
    assert marked == flat
    assert len(set(flat)) == 2


def test_pointing_at_a_word_lights_its_regions_with_their_weights(page, address, seen):
    """As the keyboard does, which opens and closes a word, too."""
    from gatescope.caption.view import look_told, looks

    opened(page, f"{address}?photo={PHOTO}")
    for place in (1, 6):
        page.locator(".gs-word").nth(place).hover()
        drawn = looks(seen, place)
        assert page.locator(".gs-photo .look").count() == len(drawn)
        shares = [f"{100 * look.weight:.0f} %" for look in drawn]
        assert page.locator(".gs-weight").all_inner_texts() == shares
        assert page.locator(".gs-readout").inner_text().strip() == look_told(seen, place)
        x = float(page.locator(".gs-photo .look").first.get_attribute("x"))
        width = float(page.locator(".gs-photo image").get_attribute("width"))
        assert x / width == pytest.approx(seen.boxes[drawn[0].region][1], abs=1e-4)
    page.mouse.move(1, 1)
    assert page.locator(".gs-photo .look").count() == 0
    page.locator(".gs-word").nth(1).focus()
    assert page.locator(".gs-photo .look").count() > 0
    page.keyboard.press("Enter")
    wait_for_text(page, "h2", "What could come after")
    assert page.locator(".gs-word").nth(1).get_attribute("aria-pressed") == "true"
    page.wait_for_url("**word=2")
    page.keyboard.press("Enter")
    page.locator("h2", has_text="What could come after").wait_for(state="detached")
    page.wait_for_url(f"**?photo={PHOTO}")


def test_a_word_tells_what_could_come_what_mattered_and_how_it_was_reckoned(
    page, address, captioner, seen, looks_well
):
    """The circuit of its score leads on; and the page looks well."""
    place = 6
    opened(page, f"{address}?photo={PHOTO}&word={place + 1}")
    wait_for_text(page, ".bars", "its region painted over")
    choices, proof = page.locator(".bars").all()
    cells = choices.locator("span").all_inner_texts()
    for choice, name, share in zip(seen.next_words(place), cells[::3], cells[2::3], strict=True):
        assert name == {"<unk>": "(an unknown word)"}.get(choice.text, choice.text)
        assert share == percent(choice.probability)
    proved = captioner.caption(sample_photo(PHOTO), prove=True).words[place].proof
    shares = proof.locator("span").all_inner_texts()[2::3]
    assert shares == [percent(one) for one in (proved.before, proved.masked, proved.random)]
    assert page.get_by_text("It mattered").is_visible() is proved.mattered
    page.get_by_role("button", name="Open the circuit").click()
    page.locator(".gatescope-graph").wait_for(timeout=LOADED)
    neuron = seen.caption.words[place].neuron(place)
    assert numberless(neuron.heading) in numberless(page.locator("body").inner_text())
    table = rows(page.locator(".gs-narrow"))
    shares = list(neuron.contributions.items())[: len(table)]
    assert [[numberless(name), share] for name, share in table] == [
        [numberless(name), f"{share:+.4f}".replace("-", "−")] for name, share in shares
    ]
    behind = neuron.follow(3)[0].name
    page.get_by_role("button", name=behind).click()
    wait_for_text(page, "p", f"{behind}: above each wire its value")
    page.get_by_role("navigation", name="Circuits before").get_by_role("button").click()
    wait_for_text(page, "p", neuron.heading)
    looks_well(page)
    page.locator(".gs-word").nth(3).click()
    wait_for_text(page, "p", "It needed no region")
    page.wait_for_url("**word=4")


def test_a_region_of_ones_own_changes_what_the_library_says(page, address, captioner, seen):
    """Typed, or drawn with the mouse; one outside of the photo is refused in words."""
    opened(page, f"{address}?photo={PHOTO}")
    page.get_by_label("top %").fill("90")
    page.get_by_role("button", name="Caption with it").click()
    wait_for_text(page, ".gs-problem", "no box inside the photo")
    assert "box" not in page.url
    for name, side in zip(("top", "left", "bottom", "right"), BOX, strict=True):
        page.get_by_label(f"{name} %").fill(f"{100 * side:g}")
    page.get_by_role("button", name="Caption with it").click()
    wait_for_text(page, "h2", "What your region changes")
    other = captioner.inspect(sample_photo(PHOTO), boxes=[BOX, *seen.proposals.tolist()])
    assert said(page) == other.caption.text
    table = page.locator("section", has=page.locator("h2", has_text="What your")).locator("table")
    assert rows(table) == [
        [
            one.text, *map(percent, one.probability), percent(one.weight),
            *(f"{bits:.2f}" for bits in one.entropy),
        ]
        for one in seen.changes(other)
    ]  # fmt: skip
    page.get_by_role("checkbox", name="in place of the regions").click()
    page.get_by_role("button", name="Caption with it").click()
    page.wait_for_url("**alone=1")
    alone = captioner.inspect(sample_photo(PHOTO), boxes=[BOX])
    page.locator(".gs-word").first.wait_for()
    assert said(page) == alone.caption.text
    opened(page, page.url)  # the address holds all of it
    assert said(page) == alone.caption.text
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url(f"**?photo={PHOTO}")
    page.locator(".gs-word").first.wait_for()
    assert said(page) == seen.caption.text
    photo = page.locator(".gs-photo svg")
    photo.scroll_into_view_if_needed()
    at = photo.bounding_box()
    page.mouse.move(at["x"] + 0.25 * at["width"], at["y"] + 0.5 * at["height"])
    page.mouse.down()
    page.mouse.move(at["x"] + 0.75 * at["width"], at["y"] + 0.25 * at["height"], steps=4)
    page.mouse.up()
    wait_for_text(page, "h2", "What your region changes")
    sides = [float(page.get_by_label(f"{name} %").input_value()) for name in ("top", "bottom")]
    assert sides == pytest.approx([25, 50], abs=0.5)
    page.wait_for_url("**box=0.2*")


def file(image: Image.Image, format_: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, format_, **options)
    return content.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return file(photo().rotate(90, expand=True), "JPEG", exif=exif, quality=92)


def photo() -> Image.Image:
    return Image.fromarray(sample_photo("china"))


def bomb() -> bytes:
    """A small PNG that says that it has 900 million pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checked

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def send(page: Any, content: bytes, name: str = "photo.jpg") -> None:
    sent = {"name": name, "mimeType": "image/jpeg", "buffer": content}
    page.locator("input[type=file]").set_input_files(sent)


GOOD = {
    "turned by its EXIF data": turned,
    "CMYK": lambda: file(photo().convert("CMYK"), "JPEG", quality=92),
    "WebP": lambda: file(photo(), "WEBP"),
}


BAD = {
    "no photo": (lambda: b"Dear diary, today I was a text file.", "is not a photo"),
    "empty": (lambda: b"", "(is empty|did not arrive)"),
    "truncated": (lambda: file(photo(), "JPEG")[:20_000], "cannot be decoded"),
    "bomb": (bomb, "says that it has 30000 x 30000 pixels"),
    "too large": (lambda: b"\xff\xd8\xff" + bytes(20_000_000), "has more than 20 MB"),
    "HEIC": (lambda: b"\0\0\0\x18ftypheic" + bytes(64), "is a HEIC or AVIF photo"),
    "script": (lambda: b"<svg onload=alert(1)>", "is not a photo"),
}


def test_an_own_photo_is_captioned_as_its_file_is(page, address, studio, captioner, tmp_path):
    """What is none is answered by a sentence; and nothing that was sent stays on disk."""
    page.goto(address)
    for kind, made in GOOD.items():
        content = made()
        (tmp_path / kind).write_bytes(content)
        caption = captioner.caption(tmp_path / kind)
        send(page, content, f"x/../<b>{kind}.jpg")
        page.locator(f'.gs-photo svg[aria-label*="<b>{kind}.jpg. Captioned"]').wait_for(
            timeout=LOADED
        )
        assert said(page) == caption.text, kind
        shown = page.locator(".gs-photo image")
        width, height = (float(shown.get_attribute(side)) for side in ("width", "height"))
        assert width / height == pytest.approx(640 / 427, rel=0.01), kind
        assert page.get_by_text("forgotten when you leave").is_visible()
        assert urlsplit(page.url).query == ""
    for kind, (made, sentence) in BAD.items():
        send(page, made(), f"<img src=x onerror=alert(1)> {kind}.jpg")
        problem = page.locator(".gs-problem", has_text=re.compile(sentence))
        problem.wait_for(timeout=LOADED)
        assert "Traceback" not in page.locator("body").inner_text()
        assert said(page) == caption.text  # what was there stays
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1200, 3), np.uint8)
    large = file(Image.fromarray(noise), "PNG")
    assert len(large) > 2_000_000
    send(page, large, "noise.png")
    page.locator('.gs-photo svg[aria-label*="noise.png. Captioned"]').wait_for(timeout=LOADED)
    files = (each for each in studio.spool.rglob("*") if each.is_file())
    assert [each for each in files if each.stat().st_size > 1e6] == []


def test_no_visitor_sees_the_photo_of_another(page, address, seen):
    opened(page, f"{address}?photo={PHOTO}")
    other = page.context.new_page()
    other.goto(address)
    send(other, GOOD["WebP"]())
    other.locator(".gs-word").first.wait_for(timeout=LOADED)
    assert said(page) == seen.caption.text
    shown = [one.locator(".gs-photo image").get_attribute("href") for one in (page, other)]
    assert shown[0] != shown[1]
    third = page.context.new_page()
    third.goto(other.url)
    third.get_by_text("or drop one here").wait_for()
    assert third.locator(".gs-photo").count() == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(MOST_BYTES + 1)}, 413),
        ({"Content-Length": "9" * 40}, (400, 413)),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_the_server_itself_refuses_what_is_too_long(address, headers, status):
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.putrequest("POST", "/_nicegui/client/any/upload/1")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    found = connection.getresponse().status
    connection.close()
    assert found in (status if isinstance(status, tuple) else (status,))


def test_a_captioner_of_a_run_can_be_chosen(page, address, seen):
    """What an address cannot mean is left out."""
    cannot = "word=99&beam=7&box=0.5,0.5,0.1,nan&alone=1"
    opened(page, f"{address}?photo={PHOTO}&captioner=mine&{cannot}")
    assert said(page) == seen.caption.text
    assert page.get_by_label("Captioner", exact=True).input_value() == "run mine"
    assert page.locator("h2", has_text="What could come").count() == 0


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("photo=<script>alert(1)</script>", "there is no photo '<script>alert(1)</script>' here"),
        ("photo=moon&captioner=../../etc", "there is no captioner '../../etc'"),
    ],
)
def test_an_address_that_asks_for_what_is_not_there_is_answered(page, address, query, sentence):
    page.goto(f"{address}?{query}")
    page.locator(".gs-problem", has_text=sentence).wait_for(timeout=LOADED)


def test_a_words_probability_is_the_one_that_the_search_gave(seen):
    for place, word in enumerate(seen.caption.words):
        known = dict(seen.next_words(place, 5000))
        assert known[word.text] == pytest.approx(exp(word.logprob), abs=1e-3)

"""Self-contained HTML pages: one file, no request, light and dark, any screen; most need no script.

Text becomes `Html` through `escape`, directly or inside one of the functions here; nothing else
turns a string of the user's into a page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Sequence
from importlib.resources import files
from typing import NewType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gatescope.report.cells import Row, check_rows, format_columns, without_colours

Html = NewType("Html", str)
"""Text that is markup already: type checkers refuse a plain string in its place."""

_CONTROL = dict.fromkeys({*range(32), *range(127, 160)} - set(map(ord, "\t\n\r")), "\ufffd")
_VOID = frozenset({"img", "input", "meta"})
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)


def escape(text: object) -> Html:
    """Makes any text safe inside an element or a quoted attribute.

    Args:
        text: Anything; `str` of it is written. Lone surrogates, which file names can hold and
            UTF-8 cannot, become question marks, and control characters become U+FFFD.

    Returns:
        Markup that reads as `text`.

    Example:
        >>> escape("<b>")
        '&lt;b&gt;'
    """
    clean = without_colours(str(text)).encode("utf-8", "replace").decode("utf-8")
    return Html(html.escape(clean.translate(_CONTROL)))


def element(tag: str, *children: Html, **attributes: object) -> Html:
    """Writes one element.

    Args:
        tag: Its name.
        *children: Markup inside it.
        **attributes: Escaped; a trailing underscore falls away and others become hyphens
            (`class_`, `aria_label`). None leaves an attribute out, True writes it bare.

    Returns:
        The element, closed unless HTML says that it has no end.

    Example:
        >>> element("p", escape("a < b"), class_="lead")
        '<p class="lead">a &lt; b</p>'
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for name, value in attributes.items()
        if value is not None
    )
    end = "" if tag in _VOID else f"{''.join(children)}</{tag}>"
    return Html(f"<{tag}{written}>{end}")


def join(*parts: Html) -> Html:
    """Puts markup side by side."""
    return Html("\n".join(parts))


def page(
    title: str,
    *sections: Html,
    lead: str = "",
    lang: str = "en",
    style: str = "",
    scripts: Sequence[str] = (),
) -> str:
    """Writes a whole page; save it as UTF-8.

    A content security policy forbids every request and every script but those given, so the page
    shows the same anywhere and sends nothing.

    Args:
        title: The page's title and only `h1`.
        *sections: What `section` made.
        lead: A sentence below the title.
        lang: The language of the page's text, as in `html lang`.
        style: CSS beside that of all pages.
        scripts: JavaScript of ours, run as modules once the page is there.

    Returns:
        HTML from its doctype on.

    Example:
        >>> page("Report", section("Scores", paragraph("None yet."))).splitlines()[0]
        '<!doctype html>'
    """
    look = Html(files("gatescope.report").joinpath("style.css").read_text("utf-8") + style)
    modules = [element("script", Html(code.replace("</script", "<\\/script")), type="module")
               for code in scripts]  # fmt: skip
    policy = _POLICY + "".join(f"; script-src {_hashes(modules)}" for _ in modules[:1])
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", escape(title)),
        element("style", look),
    )
    opening = element("header", element("h1", escape(title)), paragraph(lead, class_="lead"))
    body = element("body", opening, element("main", *sections), *modules)
    return f"<!doctype html>\n{element('html', head, body, lang=lang)}\n"


def _hashes(modules: Sequence[Html]) -> str:
    """The scripts by what is in them, as a content security policy names them."""
    codes = [module.partition(">")[2].removesuffix("</script>") for module in modules]
    digests = [hashlib.sha256(code.encode()).digest() for code in codes]
    return " ".join(f"'sha256-{base64.b64encode(one).decode('ascii')}'" for one in digests)


def section(title: str, *body: Html) -> Html:
    """Writes a section under an `h2`."""
    return element("section", element("h2", escape(title)), *body)


def paragraph(text: str, *, class_: str | None = None) -> Html:
    """Writes a paragraph, or nothing where `text` is empty."""
    return element("p", escape(text), class_=class_) if text else Html("")


def side_by_side(*parts: Html) -> Html:
    """Lays charts or figures beside each other where the screen is wide enough."""
    return element("div", *parts, class_="side-by-side")


def facts(pairs: Sequence[tuple[str, object]]) -> Html:
    """Writes a few key numbers, large, each over its label.

    Args:
        pairs: Label and value.
    """
    items = [
        element("div", element("dt", escape(label)), element("dd", escape(value)))
        for label, value in pairs
    ]
    return element("dl", *items, class_="facts")


def table(rows: Sequence[Row], columns: Sequence[str], *, caption: str) -> Html:
    """Writes a table that scrolls sideways on a narrow screen.

    Args:
        rows: Cells of any type; see `gatescope.report.cells.format_column`.
        columns: One name per cell of a row.
        caption: Says what the table holds.

    Returns:
        Markup; columns of numbers are flushed right, the first column heads its row.

    Raises:
        ValueError: A row is longer or shorter than `columns`.
    """
    check_rows(rows, columns)
    formatted = format_columns(rows, len(columns))
    kinds = ["number" if numeric else None for _, numeric in formatted]
    heads = [
        element("th", escape(name), scope="col", class_=kind)
        for name, kind in zip(columns, kinds, strict=True)
    ]
    lines = [_table_row(cells, kinds) for cells in zip(*(c for c, _ in formatted), strict=True)]
    drawn = element(
        "table",
        element("caption", escape(caption)),
        element("thead", element("tr", *heads)),
        element("tbody", *lines),
    )
    return element("div", drawn, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _table_row(cells: Sequence[str], kinds: Sequence[str | None]) -> Html:
    first = element("th", escape(cells[0]), scope="row", class_=kinds[0])
    rest = [
        element("td", escape(cell), class_=kind)
        for cell, kind in zip(cells[1:], kinds[1:], strict=True)
    ]
    return element("tr", first, *rest)


def figure(image: NDArray[np.uint8], *, alt: str, caption: str, lossless: bool = False) -> Html:
    """Embeds an image.

    Args:
        image: uint8 array of shape (height, width, 3), RGB.
        alt: What it shows, for those who do not see it.
        caption: Written below it.
        lossless: True for drawings; see `image_uri`.
    """
    height, width = image.shape[:2]
    source = image_uri(image, lossless=lossless)
    shown = element("img", src=source, alt=alt, width=width, height=height)
    return element("figure", shown, element("figcaption", escape(caption)))


def image_uri(
    image: NDArray[np.uint8], *, longest: int | None = None, lossless: bool = False
) -> str:
    """Packs an image into a data URI.

    Args:
        image: uint8 array of shape (height, width, 3), RGB.
        longest: Larger images are shrunk until their longer side has this many pixels.
        lossless: PNG, which keeps drawings crisp, instead of JPEG, which keeps photos small.

    Returns:
        The URI.
    """
    picture = Image.fromarray(np.ascontiguousarray(image))
    if longest is not None:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    packed, kind = io.BytesIO(), "png" if lossless else "jpeg"
    picture.save(packed, kind, quality=85, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"

import io
import subprocess
import sys

import pytest
from rich.console import Console

from gatescope.report.terminal import progress, summary, table


def shown(renderable, width=60):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def test_numbers_line_up_on_their_last_digit():
    lines = shown(table([("dev", 5), ("test", 1200)], ("split", "photos"))).splitlines()
    (small,) = [line.rstrip() for line in lines if "dev" in line]
    (large,) = [line.rstrip() for line in lines if "1,200" in line]
    assert len(small) == len(large)


def test_markup_in_text_is_shown_and_not_obeyed():
    text = shown(table([("[red]dog[/red]",)], ("[bold]caption",), title="[i]t"))
    assert "[red]dog[/red]" in text and "[bold]caption" in text and "[i]t" in text
    assert "[link]x" in shown(summary("[b]run", [("[dim]a", "[link]x")]))


def test_an_unmatched_closing_tag_does_no_harm():
    assert "[/]" in shown(table([("[/]",)], ("c",)))


def test_a_summary_holds_facts_and_tables_within_one_screen():
    text = shown(summary("demo", [("report", "r.html")], table([("dev", 0.5)], ("split", "CIDEr"))))
    assert all(part in text for part in ("demo", "report", "r.html", "dev", "0.500"))
    assert len(text.splitlines()) < 24


def test_nothing_is_wider_than_the_terminal():
    rows = [("x" * 200, 1.0)]
    for drawn in (table(rows, ("name", "score")), summary("demo", [("path", "y" * 200)])):
        assert max(map(len, shown(drawn, width=40).splitlines())) <= 40


def test_words_are_whole_as_long_as_they_fit():
    columns = ("metric", "curves", "shared steps", "first ends at", "second ends at")
    prose = "within noise of each other; equal to the bit before step 12"
    rows = [("input_deviation", prose, 1234, 1.0, 2.0)]
    for width in (120, 80, 60):
        text = shown(table(rows, columns), width=width)
        assert max(map(len, text.splitlines())) <= width
        assert {"metric", "input_deviation", "1,234", *prose.split()} <= set(text.split())


def test_the_natural_width_is_that_at_which_nothing_is_broken():
    drawn = table([("a name of four words", 1)], ("name", "count"))
    assert len(shown(drawn, width=drawn.natural_width).splitlines()) == 3
    assert len(shown(drawn, width=drawn.natural_width - 1).splitlines()) == 4


def test_long_text_is_folded_and_not_cut():
    name = "".join(chr(97 + place % 26) for place in range(100))
    text = "".join(shown(table([(name, 1)], ("name", "n")), width=40).split())
    pieces = [piece for piece in (name[i : i + 10] for i in range(0, 100, 10)) if piece in text]
    assert len(pieces) > 5 and "…" not in text


def test_rows_that_do_not_fit_the_columns_are_refused():
    with pytest.raises(ValueError, match="row 0 has 1 cells"):
        table([("a",)], ("name", "score"))


def test_progress_shows_the_description_the_count_and_the_status():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with progress(console) as bars:
        task = bars.add_task("[x] training", total=4, status="")
        bars.update(task, advance=3, status="loss [2.31]")
    text = console.file.getvalue()
    assert "[x] training" in text and "3/4" in text and "loss [2.31]" in text


def test_progress_needs_no_status():
    console = Console(file=io.StringIO(), width=100)
    with progress(console) as bars:
        bars.add_task("reading", total=1)
    assert "reading" in console.file.getvalue()


def test_the_report_package_imports_without_tensorflow():
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "import gatescope.report.captions, gatescope.report.plots, gatescope.report.terminal\n"
        "assert not [name for name in sys.modules if name.startswith('gatescope.')"
        " and name.split('.')[1] not in ('report', 'errors')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

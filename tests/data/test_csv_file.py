"""CSV files as programs and people write them, each against the same cells."""

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatescope.data.csv_file import CHUNK, CsvFile
from gatescope.errors import DataError

ROWS = [("kind", "length", "note"), ("a", "1.5", "x"), ("b", "-2.5", "y z"), ("a", "3.25", "z")]


def put(folder, content, encoding="utf-8"):
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return CsvFile(path)


def cells(table):
    rows = [table.columns]
    for chunk in table.chunks():
        rows += zip(*chunk.cells.values(), strict=True)
    return rows


def refusal(folder, content):
    with pytest.raises(DataError) as caught:
        cells(put(folder, content))
    assert caught.value.expected
    assert caught.value.fix
    return caught.value.happened.replace(str(folder), "here")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_dialect_has_the_same_cells(tmp_path, delimiter, end, quoting, encoding):
    quote = '"' if quoting == csv.QUOTE_ALL else ""
    lines = [delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in ROWS]
    table = put(tmp_path, end.join(lines), encoding)
    assert cells(table) == ROWS
    assert cells(table) == ROWS  # read again


def test_quoted_cells_hold_delimiters_line_ends_and_quotes(tmp_path):
    content = 'kind,note\na,"one, two"\nb,"first\nsecond"\nc,"she said ""no"""\n'
    table = put(tmp_path, content)
    assert cells(table)[1:] == [("a", "one, two"), ("b", "first\nsecond"), ("c", 'she said "no"')]
    assert [chunk.lines for chunk in table.chunks()] == [(2, 4, 5)]


def test_single_quotes_and_backslashes(tmp_path):
    assert cells(put(tmp_path, "'kind','note'\n'a','it\\'s; so'\n'b','c, d'\n"))[1:] == [
        ("a", "it's; so"),
        ("b", "c, d"),
    ]


def test_spaces_divide_where_nothing_else_does(tmp_path):
    table = put(tmp_path, " 0.5  1   a\n10.25 22  b\n")
    assert cells(table)[1:] == [("0.5", "1", "a"), ("10.25", "22", "b")]


def test_a_decimal_comma_is_no_delimiter(tmp_path):
    table = put(tmp_path, "1,5;2,5\n3,5;4,5\n")
    assert table.decimal == ","
    assert cells(table) == [("column 1", "column 2"), ("1,5", "2,5"), ("3,5", "4,5")]


def test_a_first_line_with_numbers_is_a_header_where_a_word_stands_above_numbers(tmp_path):
    assert put(tmp_path, "0,1,label\n1,2,3\n3,4,5\n").columns == ("0", "1", "label")
    assert put(tmp_path, "a,1990,2000\nb,1,2\n").columns == ("column 1", "column 2", "column 3")


def test_columns_without_a_name_and_with_the_same_are_told_apart(tmp_path):
    assert put(tmp_path, ",x,x\n1,2,3\n").columns == ("column 1", "x", "x 2")


def test_one_column_of_sentences_is_one_column(tmp_path):
    table = put(tmp_path, "text\nthis is good\nso bad\na b c d e\n")
    assert table.columns == ("text",)


def test_blank_lines_and_delimiters_at_the_end_do_not_matter(tmp_path):
    assert cells(put(tmp_path, "a,b\n\n1,2,\n,\n  \n3,4\n")) == [("a", "b"), ("1", "2"), ("3", "4")]


def test_long_files_come_in_chunks_with_the_lines_of_their_rows(tmp_path):
    table = put(tmp_path, "a,b\n" + "".join(f"{i},x\n" for i in range(2 * CHUNK + 5)))
    chunks = list(table.chunks())
    assert [len(chunk.lines) for chunk in chunks] == [CHUNK, CHUNK, 5]
    assert chunks[2].lines[0] == 2 * CHUNK + 2
    assert chunks[2].cells["a"][0] == str(2 * CHUNK)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
)
def test_what_the_csv_module_writes_is_read(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([("first", "second", "third"), *rows])
    wanted = [tuple(cell.strip() for cell in row) for row in rows]
    table = CsvFile(path)
    assert cells(table)[1:] == [row for row in wanted if any(row)]


def wide(columns, delimiter, cell, name="gene expression {:05d}"):
    header = delimiter.join([*map(name.format, range(columns)), "y"])
    row = delimiter.join([*(cell for _ in range(columns)), "1"])
    return f"{header}\n" + f"{row}\n" * 20


def test_a_header_may_be_wider_than_any_sample(tmp_path):
    table = put(tmp_path, wide(4000, ",", "0.5"))
    assert (len(table.columns), table.columns[-1]) == (4001, "y")
    assert len(cells(table)) == 21


def test_rows_below_a_wide_header_tell_it_from_data_and_the_decimal_sign(tmp_path):
    assert put(tmp_path, wide(6000, ",", "0.12345678", "{}")).columns[:2] == ("0", "1")
    assert put(tmp_path, wide(6000, ";", "0,12345678", "g{}")).decimal == ","


def test_a_line_that_never_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gatescope.data.csv_file._WIDEST", 1000)
    assert refusal(tmp_path, "a,b\n1," + "2" * 2000) == (
        "line 2 of 'here/table.csv' goes on beyond 1,000 characters"
    )
    assert len(cells(put(tmp_path, "a,b\n" + "1,2\n" * 2000))) == 2001


@pytest.mark.parametrize(
    ("content", "decimal"),
    [
        ("a;b\n12.345;0,57\n3.456;0,61\n1.000;x\n", ","),  # thousands outnumber decimals
        ("a;b\n12.345;1,570\n", "."),  # nobody knows
        ("a;b\n12,345;x\n13,111;y\n", ","),
        ("a;b\n12,345;0.57\n13,111;x\n", "."),
        ("a;b\n1.034.500;x\n", ","),
        ("a;b\n1 034,50 €;x\n", ","),
        ("a;b\n−0,5;31.12.2020\n", ","),
        ('a,b\n"0,57",1\n"0,5",2\n', ","),  # Google Sheets
        ('a,b\n"12,345",1\n"1,034.50",2\n', "."),
        ('a,b\n"12,345",1\n', "."),
    ],
)
def test_the_decimal_sign_is_what_certain_numbers_have(tmp_path, content, decimal):
    assert put(tmp_path, content).decimal == decimal


def test_numbers_of_either_sign_are_read_as_those_of_training(tmp_path):
    path = tmp_path / "table.csv"
    for content, usual, decimal in [
        ("a;b\n12.345;x\n", ",", ","),
        ("a;b\n12.345;0.5\n", ",", "."),
        ("a;b\n12,345;x\n", ".", ","),
        ("a,b\n12.345,x\n", ",", "."),
    ]:
        path.write_text(content, encoding="utf-8")
        assert CsvFile(path, usual=usual).decimal == decimal


def test_a_line_for_excel_says_the_delimiter(tmp_path):
    table = put(tmp_path, "sep=;\na;b\n1,5;x, y\n2,5;x\n3;z;z;z\n")
    with pytest.raises(DataError, match="line 5 of"):
        cells(table)
    table = put(tmp_path, '"sep=|"\r\na\r\n1\r\n')
    assert cells(table) == [("a",), ("1",)]
    assert [chunk.lines for chunk in table.chunks()] == [(3,)]


def test_a_header_that_lacks_the_name_of_the_rows_gets_it(tmp_path):
    table = put(tmp_path, 'a b y\n"1" 0.5 2 0\n"2" 0.7 3 1\n')
    assert cells(table) == [
        ("row name", "a", "b", "y"),
        ("1", "0.5", "2", "0"),
        ("2", "0.7", "3", "1"),
    ]
    assert put(tmp_path, "a,b\n1,2,\n3,4,\n").columns == ("a", "b")


def test_a_first_line_with_the_named_columns_is_a_header(tmp_path):
    content = "region,2019,2020\nN,1,2\nS,3,4\n"
    assert not put(tmp_path, content).has_header
    path = tmp_path / "table.csv"
    assert CsvFile(path, ["2020"]).columns == ("region", "2019", "2020")
    assert not CsvFile(path, ["2020", "2021"]).has_header
    path.write_text("1,1,2\n1,2,2\n", encoding="utf-8")
    assert not CsvFile(path, ["2"]).has_header  # data: no header has a name twice


def test_a_cell_may_hold_a_book(tmp_path):
    assert len(cells(put(tmp_path, f"a,b\n{'word ' * 60_000},1\n"))[1][0]) == 299_999


def test_a_title_above_the_header_is_blamed(tmp_path):
    table = put(tmp_path, "Report of 2020\na,b\n1,2\n")
    with pytest.raises(DataError, match="if the first line is a title, delete it"):
        cells(table)


def test_a_row_of_another_length_is_refused(tmp_path):
    assert refusal(tmp_path, "a,b\n1,2\n1,2,3\n") == (
        "line 3 of 'here/table.csv' has 3 cells, the first line 2"
    )


def test_a_quote_that_is_never_closed_is_refused(tmp_path):
    assert "cannot be read: unexpected end of data" in refusal(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n')


def test_another_encoding_is_refused_with_its_line(tmp_path):
    content = b"a,b\n" + b"1,2\n" * 90_000 + b"caf\xe9,2\n"
    assert refusal(tmp_path, content) == (
        "'here/table.csv' is not UTF-8: line 90002 has the byte 0xe9"
    )


@pytest.mark.parametrize(
    ("content", "happened"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"PK\x03\x04 ...", "is a zip or Excel file"),
        (b"\x1f\x8b ...", "is a gzip file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, happened):
    assert refusal(tmp_path, content) == f"'here/table.csv' {happened}"


def test_a_path_to_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        CsvFile(tmp_path / "nothing.csv")

"""Photos of every kind that users have, each made here, against what they show."""

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from gatescope.data.photos import MAX_PIXELS, content_key, find_photos, read_photo
from gatescope.errors import DataError, PhotoError, UsageError

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    """A real photo, wider than high."""
    return Image.fromarray(skimage.data.chelsea()).resize((150, 100))


def encoded(image: Image.Image, format_: str, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file


def difference(photo: np.ndarray, image: Image.Image) -> float:
    """Mean absolute difference in grey levels."""
    expected = np.asarray(image.convert("RGB"), dtype=np.float64)
    assert photo.shape == expected.shape
    return float(np.abs(photo - expected).mean())


def happened(path_or_file: object) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(path_or_file)
    assert caught.value.expected
    assert caught.value.fix
    return caught.value.happened


@pytest.mark.parametrize("format_", ["PNG", "BMP", "PPM", "TIFF"])
def test_lossless_photos_keep_every_pixel(cat, format_):
    photo = read_photo(encoded(cat, format_))
    assert photo.dtype == np.uint8
    assert photo.flags.writeable
    np.testing.assert_array_equal(photo, np.asarray(cat))


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("WEBP", {"quality": 95}),
        ("TIFF", {"compression": "jpeg", "quality": 95}),
    ],
)
def test_lossy_photos_stay_close(cat, format_, options):
    assert difference(read_photo(encoded(cat, format_, **options)), cat) < 4


def test_grey_photo_has_three_equal_channels(cat):
    photo = read_photo(encoded(cat.convert("L"), "PNG"))
    np.testing.assert_array_equal(photo, np.asarray(cat.convert("L"))[:, :, None].repeat(3, 2))


def test_black_and_white_photo_is_0_and_255(cat):
    assert set(np.unique(read_photo(encoded(cat.convert("1"), "PNG")))) == {0, 255}


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(format_):
    samples = np.linspace(0, 65535, 100 * 50).round().astype(np.uint16).reshape(50, 100)
    photo = read_photo(encoded(Image.fromarray(samples), format_))
    np.testing.assert_array_equal(photo[:, :, 1], np.round(samples / 257).astype(np.uint8))


def test_16_bit_colour_is_scaled_not_clipped():
    row = struct.pack(">6H", 0, 32896, 65535, 257, 65278, 12850)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    photo = read_photo(io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*c) for c in chunks)))
    np.testing.assert_array_equal(photo, [[[0, 128, 255], [1, 254, 50]]])


def png_chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def test_float_tiff_is_refused():
    tiff = encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    assert "more than 16 bits a sample" in happened(tiff)


def test_cmyk_jpeg_of_adobe_shows_its_colours(cat):
    jpeg = encoded(cat.convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in jpeg.getvalue()
    assert difference(read_photo(jpeg), cat) < 4


def test_cmyk_jpeg_not_of_adobe_is_not_inverted(cat):
    # Pillow writes inverted inks and Adobe's marker; this undoes both.
    inks = ImageChops.invert(cat.convert("CMYK"))
    jpeg = encoded(inks, "JPEG", quality=95).getvalue()
    start = jpeg.index(b"\xff\xee")
    plain = jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4]) :]
    assert b"Adobe" not in plain
    assert difference(read_photo(io.BytesIO(plain)), cat) < 4


def test_cmyk_tiff_shows_its_colours(cat):
    assert difference(read_photo(encoded(cat.convert("CMYK"), "TIFF")), cat) < 1


def test_palette_photo_shows_its_colours(cat):
    palette = cat.convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_array_equal(
        read_photo(encoded(palette, "PNG")), np.asarray(palette.convert("RGB"))
    )


def test_transparent_palette_entries_are_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    photo = read_photo(encoded(image, "PNG", transparency=1))
    np.testing.assert_array_equal(photo, [[[10, 20, 30], [255, 255, 255]]])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_transparency_is_laid_on_white(mode, format_):
    image = Image.new("LA", (3, 1))
    image.putdata([(100, 0), (100, 255), (55, 51)])
    photo = read_photo(encoded(image.convert(mode), format_))
    np.testing.assert_array_equal(photo[0, :, 0], [255, 100, 215])  # 55 * 0.2 + 255 * 0.8


def test_transparent_webp_is_laid_on_white():
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert read_photo(encoded(image, "WEBP", lossless=True)).min() == 255


def test_transparent_colour_of_a_grey_png_is_white():
    image = Image.fromarray(np.array([[0, 9]], np.uint8))
    photo = read_photo(encoded(image, "PNG", transparency=0))
    np.testing.assert_array_equal(photo[0, :, 0], [255, 9])


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_of_an_animation_is_read(cat, format_):
    options = {"lossless": True} if format_ == "WEBP" else {}
    black = Image.new("RGB", cat.size)
    frames = encoded(cat, format_, save_all=True, append_images=[black], **options)
    assert difference(read_photo(frames), cat) < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotated_photo_is_turned_upright(cat, orientation, format_):
    turns = Image.Transpose
    stored = {  # how a camera that is held so stores an upright scene
        1: cat, 2: cat.transpose(turns.FLIP_LEFT_RIGHT), 3: cat.transpose(turns.ROTATE_180),
        4: cat.transpose(turns.FLIP_TOP_BOTTOM), 5: cat.transpose(turns.TRANSPOSE),
        6: cat.transpose(turns.ROTATE_90), 7: cat.transpose(turns.TRANSVERSE),
        8: cat.transpose(turns.ROTATE_270),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo = encoded(stored, format_, exif=exif, quality=95)
    assert difference(read_photo(photo), cat) < 4
    assert difference(read_photo(photo, size=32), cat.resize((32, 32), 2)) < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_damaged_exif_does_not_cost_the_photo(cat):
    photo = encoded(cat, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage", quality=95)
    assert difference(read_photo(photo), cat) < 4


def test_size_squashes_to_a_square_with_antialiasing(cat):
    photo = read_photo(encoded(cat, "PNG"), size=20)
    expected = cat.resize((20, 20), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(photo, np.asarray(expected))


def test_size_enlarges_small_photos(cat):
    assert read_photo(encoded(cat, "PNG"), size=300).shape == (300, 300, 3)


def test_photo_of_the_wanted_size_keeps_every_pixel(cat):
    square = cat.resize((64, 64))
    np.testing.assert_array_equal(read_photo(encoded(square, "PNG"), size=64), np.asarray(square))


@pytest.mark.parametrize("scale", [2, 3, 8, 20])
def test_reduced_decoding_of_large_jpegs_does_not_show(scale):
    image = Image.fromarray(skimage.data.astronaut()).resize((64 * scale, 48 * scale))
    photo = read_photo(encoded(image, "JPEG", quality=95), size=24)
    exact = np.asarray(image.resize((24, 24), Image.Resampling.BILINEAR), dtype=np.float64)
    assert np.abs(photo - exact).mean() < 1.5


def test_size_must_be_positive(cat):
    with pytest.raises(UsageError, match="size=0 for a photo"):
        read_photo(encoded(cat, "PNG"), size=0)


def test_path_string_and_open_file_give_the_same(cat, tmp_path):
    path = tmp_path / "cat.png"
    cat.save(path)
    with path.open("rb") as file:
        file.seek(50)  # a file is read from its start, wherever it stands
        from_file = read_photo(file)
        assert not file.closed
    np.testing.assert_array_equal(read_photo(path), from_file)
    np.testing.assert_array_equal(read_photo(str(path)), from_file)


def test_photo_comes_through_a_pipe(cat):
    content = encoded(cat.resize((30, 20)), "PNG").getvalue()
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as sink:
        sink.write(content)
    with os.fdopen(reader, "rb") as pipe:
        assert read_photo(pipe).shape == (20, 30, 3)


def test_content_counts_not_the_name(cat, tmp_path):
    path = tmp_path / "a jpeg.txt"
    cat.save(path, "JPEG")
    assert read_photo(path).shape == (100, 150, 3)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("size", [None, 8])
def test_truncated_photo_is_refused(cat, tmp_path, format_, share, size):
    path = tmp_path / "half.photo"
    content = encoded(cat, format_).getvalue()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PhotoError, match=r"half\.photo' cannot be decoded: ") as caught:
        read_photo(path, size=size)
    assert "copy or download it again" in caught.value.fix


def test_truncated_progressive_jpeg_is_refused(cat):
    content = encoded(cat, "JPEG", progressive=True).getvalue()
    assert "cannot be decoded" in happened(io.BytesIO(content[: len(content) * 2 // 3]))


def test_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert happened(path) == f"{str(path)!r} is empty (0 bytes)"


@pytest.mark.parametrize(
    "content", [b"just text", b"%PDF-1.7 ...", b"RIFF\0\0\0\0WAVEfmt ", b"%!PS-Adobe-3.0 EPSF-3.0"]
)
def test_file_that_is_no_photo_is_refused(content):
    assert happened(io.BytesIO(content)) == "'photo' is not a photo"


def test_heic_photo_gets_the_advice_that_helps():
    with pytest.raises(PhotoError, match="HEIC or AVIF photo") as caught:
        read_photo(io.BytesIO(b"\0\0\0\x24ftypheic\0\0\0\0"))
    assert caught.value.fix == "export it as JPEG"


def test_folder_is_refused(tmp_path):
    assert happened(tmp_path) == f"{str(tmp_path)!r} is a folder"


def test_missing_file_is_refused(tmp_path):
    assert happened(tmp_path / "no.jpg").endswith(
        "no.jpg' cannot be opened: No such file or directory"
    )


def test_path_with_a_null_byte_is_refused():
    assert "cannot be opened" in happened("a\0b.jpg")


def test_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert happened(tmp_path / "pipe.jpg").endswith("is a device or a pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "secret.jpg"
    path.touch(mode=0)
    assert "Permission denied" in happened(path)


def test_message_holds_no_control_characters(tmp_path):
    path = tmp_path / "a\x1b[31m\n.jpg"
    path.touch()
    assert "\x1b" not in happened(path)


def test_message_can_be_printed_whatever_the_name(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff.jpg")
    Path(os.fsdecode(path)).touch()
    happened(os.fsdecode(path)).encode("utf-8")


def claims(width: int, height: int) -> io.BytesIO:
    """A PNG of a few bytes that says it has this many pixels, and has none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 9)), (b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))


@pytest.mark.parametrize("side", [11_000, 12_000, 50_000, 2_000_000_000])
def test_decompression_bomb_is_refused_before_decoding(side):
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns from 89 million pixels on
        message = happened(claims(side, side))
    assert f"{side} x {side} pixels" in message
    assert limit == Image.MAX_IMAGE_PIXELS


def test_limit_is_the_programs_own(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "pixels" in happened(claims(MAX_PIXELS + 1, 1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert "says that it has" not in happened(claims(100, 100))


def test_other_formats_with_too_many_pixels_are_refused():
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    assert "65535 x 65535 pixels" in happened(io.BytesIO(gif))
    assert "30000 x 30000 pixels" in happened(io.BytesIO(b"P6 30000 30000 255 "))


def test_threads_may_read_at_once(cat):
    content = encoded(cat, "JPEG").getvalue()
    results: list[np.ndarray] = []
    work = [
        threading.Thread(target=lambda: results.append(read_photo(io.BytesIO(content), size=32)))
        for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(result, results[0]) for result in results)


SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8))
FILES = [encoded(SMALL, f).getvalue() for f in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM")]


@settings(max_examples=300, deadline=None)
@given(
    content=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    size=st.sampled_from([None, 8]),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_bytes_give_a_photo_or_a_photo_error(content, changes, size):
    damaged = bytearray(content)
    for place, byte in changes:
        damaged[place % len(damaged)] = byte
    try:
        photo = read_photo(io.BytesIO(bytes(damaged)), size=size)
    except PhotoError as error:
        assert error.fix
    else:
        assert photo.dtype == np.uint8
        assert photo.ndim == 3
        assert photo.shape[2] == 3


def test_find_photos_lists_a_folder_sorted_without_hidden_files(tmp_path):
    shown = ["a.JPG", "b/c.png", "b/d/e.webp", "z.tif"]
    for name in [*shown, "notes.txt", ".hidden.jpg", ".thumbnails/a.jpg", "b/._c.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    assert find_photos(tmp_path) == [tmp_path / name for name in shown]


def test_find_photos_takes_a_named_file_as_it_is(tmp_path):
    path = tmp_path / "photo.dat"
    path.touch()
    assert find_photos(str(path)) == [path]


def test_find_photos_says_that_a_folder_holds_none(tmp_path):
    with pytest.raises(DataError, match="no photo in ") as caught:
        find_photos(tmp_path)
    assert "convert" in caught.value.fix


def test_find_photos_says_that_a_path_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"there is no .*/nowhere'"):
        find_photos(tmp_path / "nowhere")


def test_content_key_follows_the_bytes(tmp_path):
    contents = {"a.jpg": b"one", "b.jpg": b"one", "c.jpg": b"two"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    keys = {name: content_key(tmp_path / name) for name in contents}
    assert keys["a.jpg"] == keys["b.jpg"] != keys["c.jpg"]
    assert keys["a.jpg"] == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"


def test_content_key_of_a_missing_file_is_a_photo_error(tmp_path):
    with pytest.raises(PhotoError, match="cannot be opened"):
        content_key(tmp_path / "no.jpg")


def test_longest_shrinks_and_keeps_the_shape(cat):
    photo = read_photo(encoded(cat, "PNG"), longest=20)
    height, width = photo.shape[:2]
    assert max(height, width) == 20
    assert width / height == pytest.approx(cat.width / cat.height, rel=0.05)
    assert difference(photo, cat.resize((width, height), 2)) < 4


def test_longest_enlarges_nothing_and_follows_the_turn(cat):
    np.testing.assert_array_equal(read_photo(encoded(cat, "PNG"), longest=999), np.asarray(cat))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_photo(encoded(cat, "JPEG", exif=exif, quality=95), longest=20)
    assert turned.shape[0] == 20 > turned.shape[1]


def test_longest_below_1_is_refused(cat):
    with pytest.raises(UsageError, match="longest=0 for a photo"):
        read_photo(encoded(cat, "PNG"), longest=0)


def test_fewer_pixels_can_be_asked_for(cat):
    many = cat.width * cat.height
    assert read_photo(encoded(cat, "PNG"), most_pixels=many).shape[:2] == (cat.height, cat.width)
    with pytest.raises(PhotoError, match=rf"pixels\n.*at most {many - 1:,} pixels"):
        read_photo(encoded(cat, "PNG"), most_pixels=many - 1)

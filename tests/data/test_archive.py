"""Folders and zips read the same way, and nothing outside them."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from gatescope.data import archive as module
from gatescope.data.archive import open_archive, without_common_folders
from gatescope.errors import DataError

FILES = {"cat/1.txt": b"meow", "cat/2.txt": b"purr", "dog/1.txt": b"woof"}


def zipped(folder, files):
    path = folder / "files.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def laid_out(folder, files):
    root = folder / "files"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def happened(function, *args):
    with pytest.raises(DataError) as caught:
        function(*args)
    assert caught.value.expected
    assert caught.value.fix
    return caught.value.happened


@pytest.mark.parametrize("place", [zipped, laid_out])
def test_folders_and_zips_have_the_same_files(tmp_path, place):
    junk = {".DS_Store": b"x", "cat/.hidden": b"x", "__MACOSX/cat/1.txt": b"x", "Thumbs.db": b"x"}
    archive = open_archive(place(tmp_path, FILES | junk))
    assert archive.names == tuple(FILES)
    assert archive.skipped == ()
    assert {name: archive.read(name) for name in archive.names} == FILES


def test_names_in_a_zip_that_lead_out_of_it_are_not_read(tmp_path):
    out = ["../up.txt", "/etc/passwd", "a/../../up.txt", "..\\up2.txt", "C:/x.txt"]
    archive = open_archive(zipped(tmp_path, FILES | dict.fromkeys(out, b"x")))
    assert archive.names == tuple(FILES)
    assert archive.skipped == tuple(sorted(name.replace("\\", "/") for name in out))


def test_links_in_a_zip_are_not_read(tmp_path):
    path = zipped(tmp_path, FILES)
    with zipfile.ZipFile(path, "a") as packed:
        link = zipfile.ZipInfo("cat/link.txt")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    archive = open_archive(path)
    assert archive.names == tuple(FILES)
    assert archive.skipped == ("cat/link.txt",)


def test_links_out_of_a_folder_and_pipes_are_not_read(tmp_path):
    root = laid_out(tmp_path, FILES)
    (tmp_path / "secret.txt").write_bytes(b"x")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "in.txt").symlink_to(root / "cat" / "1.txt")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.txt")
    archive = open_archive(root)
    assert archive.names == (*FILES, "in.txt")
    assert archive.skipped == ("out.txt", "pipe.txt")


@pytest.mark.parametrize("place", [zipped, laid_out])
def test_a_file_that_is_too_large_is_refused_before_it_is_unpacked(tmp_path, place, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    archive = open_archive(place(tmp_path, {"bomb.txt": b"0" * 1001, "fine.txt": b"0" * 1000}))
    assert "it has 1,001 bytes, and 1,000 are read at most" in happened(archive.read, "bomb.txt")
    assert len(archive.read("fine.txt")) == 1000


def test_a_zip_that_says_less_than_it_holds_gives_no_more_than_it_says(tmp_path):
    path = zipped(tmp_path, {"bomb.txt": b"0" * 100_000})
    content = path.read_bytes()
    lied = content.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lied != content
    path.write_bytes(lied)
    assert "'bomb.txt' in" in happened(open_archive(path).read, "bomb.txt")


def test_damaged_and_encrypted_members_are_refused(tmp_path):
    path = zipped(tmp_path, {"a.txt": os.urandom(3000), "b.txt": b"fine"})
    content = bytearray(path.read_bytes())
    content[500:600] = bytes(100)
    path.write_bytes(content)
    archive = open_archive(path)
    assert "'a.txt' in" in happened(archive.read, "a.txt")
    assert archive.read("b.txt") == b"fine"


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    assert "is no zip or tar, or a damaged one" in happened(open_archive, tmp_path / "text.zip")
    assert "there is no" in happened(open_archive, tmp_path / "nothing.zip")


def test_outer_folders_that_all_files_share_are_left_out():
    assert without_common_folders([]) == {}
    assert without_common_folders(["a.txt", "b.txt"]) == {"a.txt": "a.txt", "b.txt": "b.txt"}
    assert list(without_common_folders(["x/y/cat/1", "x/y/dog/2"]).values()) == ["cat/1", "dog/2"]
    assert list(without_common_folders(["x/cat/1", "x/cat/2"]).values()) == ["cat/1", "cat/2"]
    assert list(without_common_folders(["x/cat/1", "x/2"]).values()) == ["x/cat/1", "x/2"]


def tarred(folder, files, mode="w:gz", name="files.tar.gz"):
    path = folder / name
    with tarfile.open(path, mode) as packed:
        for each, content in files.items():
            info = tarfile.TarInfo(each)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", ""])
def test_a_tar_has_the_same_files_in_any_order(tmp_path, kind):
    junk = {"._cat": b"x", "__MACOSX/cat/1.txt": b"x"}
    archive = open_archive(tarred(tmp_path, FILES | junk, f"w:{kind}", "files"))
    assert archive.names == tuple(FILES) and archive.skipped == ()
    for name in reversed(archive.names):
        assert archive.read(name) == FILES[name]


def test_names_links_and_devices_in_a_tar_that_lead_out_of_it_are_not_read(tmp_path):
    path = tarred(tmp_path, FILES | {"../up.txt": b"x", "/etc/passwd": b"x"}, "w", "files.tar")
    with tarfile.open(path, "a") as packed:
        for name, kind in (("soft", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            packed.addfile(info)
        device = tarfile.TarInfo("zero")
        device.type = tarfile.CHRTYPE
        packed.addfile(device)
    archive = open_archive(path)
    assert archive.names == tuple(FILES)
    assert archive.skipped == ("../up.txt", "/etc/passwd", "hard", "soft", "zero")


def test_a_tar_that_is_cut_or_swells_is_refused(tmp_path, monkeypatch):
    noise = os.urandom(50_000)
    path = tarred(tmp_path, {"a.bin": noise})
    whole = path.read_bytes()
    path.write_bytes(whole[:20_000])
    assert "is no zip or tar, or a damaged one" in happened(open_archive, path)
    path.write_bytes(whole)
    monkeypatch.setattr(module, "MAX_TAR_BYTES", 10_000)
    assert "it has more than 10,000 bytes unpacked" in happened(open_archive, path)
    monkeypatch.undo()
    plain = tarred(tmp_path, {"a.bin": noise}, "w", "plain.tar")
    plain.write_bytes(plain.read_bytes()[:30_000])
    assert "unexpected end of data" in happened(open_archive, plain)

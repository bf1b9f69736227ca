"""Downloads from a server on this machine that behaves well, and from ones that do not."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gatescope.data.get import Download, get
from gatescope.errors import DataError, UsageError

CONTENT = bytes(range(256)) * 5000


class Server(BaseHTTPRequestHandler):
    """Serves `content`; `breaks_after` bytes it hangs up, and without `parts` it sends it whole."""

    content = CONTENT
    breaks_after = None
    parts = True
    asked: list[str | None] = []  # noqa: RUF012

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        first = int(wanted[6:-1]) if wanted and self.parts else 0
        if self.path != "/file.zip":
            return self.send_error(404)
        if first >= len(self.content):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        if first:
            last = len(self.content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Content-Length", str(len(self.content) - first))
        self.end_headers()
        self.wfile.write(self.content[first : self.breaks_after])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        handler.url = f"http://127.0.0.1:{running.server_port}/file.zip"
        yield handler
        running.shutdown()
        thread.join()


def wanted(server, **more):
    facts = {
        "name": "data.zip",
        "url": server.url,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
    }
    return Download(**(facts | more))


def refusal(download, folder):
    with pytest.raises(DataError) as caught:
        get(download, folder)
    assert caught.value.expected
    assert caught.value.fix
    return caught.value.happened


def test_a_file_is_downloaded_once(server, tmp_path):
    seen = []
    folder = tmp_path / "new" / "folder"
    path = get(wanted(server), folder, progress=lambda done, size: seen.append((done, size)))
    assert path == folder / "data.zip"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert get(wanted(server), folder) == path
    assert server.asked == [None]
    assert list(folder.iterdir()) == [path]


def test_what_broke_off_goes_on_where_it_stopped(server, tmp_path):
    server.breaks_after = 300_000
    assert refusal(wanted(server), tmp_path).startswith(
        f"{server.url} broke off after 300,000 of 1,280,000 bytes"
    )
    assert (tmp_path / "data.zip.part").stat().st_size == 300_000
    assert not (tmp_path / "data.zip").exists()
    server.breaks_after = None
    seen = []
    path = get(wanted(server), tmp_path, progress=lambda done, _: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert seen[0] > 300_000


def test_a_server_that_sends_no_parts_sends_all_again(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(b"x" * 1000)
    server.parts = False
    assert get(wanted(server), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_not_asked_for_again(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(CONTENT)
    assert get(wanted(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    server.content = CONTENT[::-1]
    assert "is not 'data.zip': its SHA-256 is another" in refusal(wanted(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_more_is_taken_than_the_file_has(server, tmp_path):
    server.content = CONTENT * 3
    assert "its SHA-256 is another" in refusal(wanted(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_is_not_kept(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(b"x" * 2000)
    assert "its SHA-256 is another" in refusal(wanted(server), tmp_path)
    assert get(wanted(server), tmp_path).read_bytes() == CONTENT


def test_a_part_that_the_server_has_no_rest_of_is_not_kept(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(CONTENT[:-1])
    server.content = CONTENT[:100]
    assert "the server says 416" in refusal(wanted(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_changed_on_disk_is_had_again(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(b"changed")
    assert get(wanted(server), tmp_path).read_bytes() == CONTENT


def test_a_server_without_the_file_and_no_server_are_said(server, tmp_path):
    lost = wanted(server, url=server.url.replace("file", "lost"))
    assert refusal(lost, tmp_path).endswith("the server says 404 Not Found")
    nobody = wanted(server, url="http://127.0.0.1:1/file.zip")
    assert "broke off after 0 of 1,280,000 bytes" in refusal(nobody, tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file.zip", "file.zip"])
def test_other_addresses_are_refused(server, tmp_path, url):
    with pytest.raises(UsageError, match="is no address that is downloaded from"):
        get(wanted(server, url=url), tmp_path)


@pytest.mark.parametrize("name", ["../data.zip", "a/b", ""])
def test_names_with_folders_are_refused(server, tmp_path, name):
    with pytest.raises(UsageError, match="is no name of a file"):
        get(wanted(server, name=name), tmp_path)


def test_a_file_of_unknown_size_comes_whole_and_goes_on_where_it_broke_off(server, tmp_path):
    about = wanted(server, size=10 * len(CONTENT), is_exact=False)
    server.breaks_after = 70_000
    with pytest.raises(DataError, match="broke off after 70,000"):
        get(about, tmp_path)
    server.breaks_after = None
    told = []
    path = get(about, tmp_path, progress=lambda done, size: told.append((done, size)))
    assert path.read_bytes() == CONTENT and told[-1] == (len(CONTENT), len(CONTENT))
    assert server.asked == [None, "bytes=70000-"]

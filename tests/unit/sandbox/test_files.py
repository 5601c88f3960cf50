"""The file host: ranges, validators, links that die, faults on the way."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
import requests

from offcloud_watchd.sandbox import Fault, Generation
from tests.unit.sandbox.driver import KEY, Driver, driving, magnet

SINGLE = magnet("A[single]")


def single(driver: Driver) -> tuple[str, bytes]:
    """Return the link to one finished file, and its bytes."""
    link = driver.links(driver.finished(SINGLE))[0]
    return link, driver.sandbox.expected_bytes(KEY, "A[single].made-up.mkv")


def test_every_file_comes_whole(each: Driver) -> None:
    """What is served is bit for bit what was promised, and is counted."""
    request_id = each.finished(magnet("A[tree]"))
    served = {each.file(link).content for link in each.links(request_id)}
    expected = each.sandbox.expected_files(KEY)
    assert served == {each.sandbox.expected_bytes(KEY, path) for path, _ in expected}
    books = each.sandbox.books()
    assert books.of(KEY).bytes_served == books.bytes_served == sum(size for _, size in expected)
    assert books.calls["file"] == len(expected)


def test_headers(each: Driver) -> None:
    """A file tells its length, validators and name; HEAD tells the same without the bytes."""
    link, content = single(each)
    got, head = each.file(link), each.file(link, "HEAD")
    assert got.headers["Content-Length"] == head.headers["Content-Length"] == str(len(content))
    for name in ("ETag", "Last-Modified", "Accept-Ranges", "Content-Disposition", "Content-Type"):
        assert got.headers[name] == head.headers[name]
    assert head.content == b""
    assert each.sandbox.books().bytes_served == len(content)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-2000999", 1000, 2_001_000),
        ("bytes=2999999-", 2_999_999, 3_000_000),
        ("bytes=100-99999999", 100, 3_000_000),
        ("bytes=-10", 2_999_990, 3_000_000),
        ("bytes=-99999999", 0, 3_000_000),
    ],
)
def test_ranges(both: Driver, asked: str, start: int, stop: int) -> None:
    """A range gives that part, with 206 and its place."""
    link, content = single(both)
    answer = both.file(link, Range=asked)
    assert (answer.status_code, answer.headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/3000000")
    assert answer.content == content[start:stop]


@pytest.mark.parametrize("asked", ["bytes=3000000-", "bytes=9999999-99999999", "bytes=-0"])
def test_ranges_beyond_the_end(both: Driver, asked: str) -> None:
    """A range outside the file is refused with 416 and the true size."""
    answer = both.file(single(both)[0], Range=asked)
    assert (answer.status_code, answer.headers["Content-Range"], answer.content) == (
        416,
        "bytes */3000000",
        b"",
    )


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"])
def test_ranges_that_are_none(both: Driver, asked: str) -> None:
    """What is no single range is ignored."""
    answer = both.file(single(both)[0], Range=asked)
    assert (answer.status_code, len(answer.content)) == (200, 3_000_000)


def test_if_range(both: Driver) -> None:
    """A range is given only while the validator is the same."""
    link, _ = single(both)
    head = both.file(link, "HEAD").headers
    for validator, status in ((head["ETag"], 206), (head["Last-Modified"], 206), ('"other"', 200)):
        assert both.file(link, Range="bytes=5-6", If_Range=validator).status_code == status


def test_an_empty_file() -> None:
    """A file of no bytes is served, and no range of it is."""
    with driving(release_bytes=0) as driver:
        link = driver.links(driver.finished(SINGLE))[0]
        assert driver.file(link).content == b""
        assert driver.file(link, Range="bytes=0-").status_code == 416
        assert driver.file(link, Range="bytes=-5").status_code == 416


def test_only_reading(both: Driver) -> None:
    """Files are read and nothing else."""
    assert both.file(single(both)[0], "POST").status_code == 405


# --- links --------------------------------------------------------------------------------------------------


def test_signed_links_die_with_time(current: Driver) -> None:
    """A current link works for its life and not longer; a new one works again."""
    link, _ = single(current)
    current.clock.advance(3600)
    assert current.file(link, "HEAD").status_code == 200
    current.clock.advance(1)
    assert current.file(link, "HEAD").status_code == 410
    assert current.file(current.links(current.submit(SINGLE))[0], "HEAD").status_code == 200


def test_classic_links_die_with_time(classic: Driver) -> None:
    """A classic link works as long as links were asked for lately."""
    request_id = classic.finished(SINGLE)
    link = classic.links(request_id)[0]
    classic.clock.advance(3601)
    answer = classic.file(link)
    assert (answer.status_code, answer.text) == (403, "You are not authorized to download this file.")
    assert classic.status(request_id)["status"] == "downloaded"
    assert classic.file(link, "HEAD").status_code == 200


@pytest.mark.parametrize(("generation", "status"), [("classic", 502), ("current", 200)])
def test_links_after_removal(generation: str, status: int) -> None:
    """Classic links die with their item, current ones live on."""
    with driving(generation=generation) as driver:
        request_id = driver.finished(SINGLE)
        link = driver.links(request_id)[0]
        driver.remove(request_id)
        assert driver.file(link, "HEAD").status_code == status


def test_a_signed_link_cannot_be_changed(current: Driver) -> None:
    """Each part of a link that matters is covered by its code."""
    link, _ = single(current)
    parts = link.split("/")
    changes = {
        5: ["unknown-0", "x", parts[5][:-1] + "7", parts[5] + "x"],
        7: ["1800099999", "x"],
        8: ["0" * 32, "é"],
    }
    for place, texts in changes.items():
        for text in texts:
            changed = "/".join([*parts[:place], quote(text), *parts[place + 1 :]])
            assert current.file(changed).status_code in (403, 404)
    assert current.file(current.sandbox.file_url + "/").status_code == 404
    assert current.file(current.sandbox.file_url + "/cloud/download/x").status_code == 404


def test_classic_addresses(classic: Driver) -> None:
    """A single file answers to its name and to none; a folder needs number and name."""
    base = classic.sandbox.file_url + "/cloud/download/"
    one = classic.finished(magnet("A[single]", "1" * 40))
    many = classic.submit(magnet("A[tree]", "2" * 40))
    early = f"{base}{many}/1/Episode%201.made-up.mkv"
    assert classic.file(early).status_code == 404
    classic.clock.advance(100)
    classic.status(one)
    for path, status in {
        one: 200,
        f"{one}/A[single].made-up.mkv": 200,
        f"{one}/other.mkv": 404,
        f"{one}/1/A[single].made-up.mkv": 404,
        f"{many}/1/Episode%201.made-up.mkv": 403,
        many: 404,
        "unknown/x": 404,
    }.items():
        assert classic.file(base + path, "HEAD").status_code == status, path
    classic.links(many)
    for path, status in {
        "1/Episode%201.made-up.mkv": 200,
        "1/x.mkv": 404,
        "0/Episode%201.made-up.mkv": 404,
        "x/y": 404,
    }.items():
        assert classic.file(f"{base}{many}/{path}", "HEAD").status_code == status, path


def test_classic_links_are_not_quoted(classic: Driver) -> None:
    """Blanks and brackets stand in classic links as they are."""
    links = classic.links(classic.finished(magnet("A[odd]")))
    link = next(link for link in links if link.endswith("/blank and #number [tag] 100%41 why?.made-up.mkv"))
    start, name = link.rsplit("/", 1)
    for spelled, status in ((quote(name), 200), (quote(unquote(name)), 200), ("blank%20and", 404)):
        assert classic.file(f"{start}/{spelled}", "HEAD").status_code == status


def test_current_links_are_quoted(current: Driver) -> None:
    """Current links are percent-encoded and lead to every odd name."""
    links = current.links(current.finished(magnet("A[odd]")))
    assert {current.file(link, "HEAD").status_code for link in links} == {200}
    names = {unquote(urlsplit(link).path.rpartition("/")[2]) for link in links}
    assert names == {path.rpartition("/")[2] for path, _ in current.sandbox.expected_files(KEY)}


def test_pace() -> None:
    """A paced file host gives the same bytes in small pieces."""
    with driving(file_rate_bytes_per_s=20_000_000, release_bytes=1_200_000) as driver:
        link, content = single(driver)
        assert driver.file(link).content == content


# --- faults -------------------------------------------------------------------------------------------------


def test_cut(both: Driver) -> None:
    """The connection ends after so many bytes, in the middle of what was promised."""
    link, content = single(both)
    both.sandbox.faults.add(Fault("cut", "file", amount=70_000))
    with both.session.get(link, stream=True, timeout=10) as answer:
        assert answer.headers["Content-Length"] == "3000000"
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content
    assert both.sandbox.books().bytes_served == 70_000
    assert both.file(link, Range="bytes=70000-").content == content[70_000:]


@pytest.mark.parametrize("amount", [0, None])
def test_cut_elsewhere(both: Driver, amount: int | None) -> None:
    """A cut may come before the first byte; without a number it comes half way."""
    link, _ = single(both)
    both.sandbox.faults.add(Fault("cut", "file", amount=amount))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        both.file(link)
    assert both.sandbox.books().bytes_served == (1_500_000 if amount is None else amount)


def test_range_ignored(both: Driver) -> None:
    """The whole file comes with 200 although a part was asked for."""
    link, content = single(both)
    both.sandbox.faults.add(Fault("ignore_range", "file"))
    answer = both.file(link, Range="bytes=5-9")
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.parametrize(("amount", "size"), [(None, 2_999_999), (1000, 2_999_000), (9_999_999, 0)])
def test_wrong_size(both: Driver, amount: int | None, size: int) -> None:
    """The file is shorter than the listing says, and says so consistently."""
    link, content = single(both)
    both.sandbox.faults.add(Fault("wrong_size", "file", amount=amount))
    assert both.file(link).content == content[:size]


def differing(one: bytes, other: bytes) -> list[int]:
    """Return where two texts of one length differ."""
    assert len(one) == len(other)
    return [at for at in range(len(one)) if one[at] != other[at]] if one != other else []


@pytest.mark.parametrize(("amount", "at"), [(None, 50), (0, 0), (99, 99)])
def test_flip(each: Driver, amount: int | None, at: int) -> None:
    """One byte of what is sent is wrong, once; length and validator say nothing of it."""
    link = each.links(each.finished(SINGLE))[0]
    content = each.file(link, Range="bytes=1000-1099").content
    each.sandbox.faults.add(Fault("flip", "file", amount=amount))
    assert differing(each.file(link, Range="bytes=1000-1099").content, content) == [at]
    assert each.file(link, Range="bytes=1000-1099").content == content


def test_garble(both: Driver) -> None:
    """All that is sent is wrong."""
    link, content = single(both)
    both.sandbox.faults.add(Fault("garble", "file", calls=2))
    for _ in range(2):
        assert len(differing(both.file(link, Range="bytes=1000-1999").content, content[1000:2000])) == 1000
    assert both.file(link).content == content


@pytest.mark.parametrize("generation", ["classic", "current"])
def test_swap(generation: Generation) -> None:
    """Another file of the same size comes, where there is one; the name chooses whose calls are meant."""
    with driving(generation=generation, release_files=5) as driver:
        links = driver.links(driver.finished(magnet("A")))
        paths = [path for path, _ in driver.sandbox.expected_files(KEY)]
        urls = {
            path: next(url for url in links if unquote(url).endswith(path.rpartition("/")[2]))
            for path in paths
        }
        film, note, *_, subtitles = paths
        driver.sandbox.faults.add(Fault("swap", "file", name=note.rpartition("/")[2], calls=9))
        wanted = {note: subtitles, subtitles: subtitles, film: film}
        for path, other in wanted.items():
            assert driver.file(urls[path]).content == driver.sandbox.expected_bytes(KEY, other)
        driver.sandbox.faults.clear()
        driver.sandbox.faults.add(Fault("swap", "file"))
        assert driver.file(urls[film]).content == driver.sandbox.expected_bytes(KEY, film)


def test_expire(each: Driver) -> None:
    """All links of the item die at once; new ones work."""
    request_id = each.finished(SINGLE)
    link = each.links(request_id)[0]
    each.sandbox.faults.add(Fault("expire", "file"))
    assert [each.file(link).status_code for _ in range(2)] == [403, 403]
    assert each.file(each.links(request_id)[0], "HEAD").status_code == 200


def test_expire_of_a_dead_link(both: Driver) -> None:
    """A fault on a link that leads nowhere changes nothing."""
    both.sandbox.faults.add(Fault("expire", "file"))
    assert both.file(both.sandbox.file_url + "/x").status_code == 404


def test_something_else_in_place_of_the_file(both: Driver) -> None:
    """JSON or HTML with 200 comes where the file should."""
    link, _ = single(both)
    both.sandbox.faults.add(
        Fault("answer", "file", status=200, body='{"error": "Temporary error"}'),
        Fault("html", "file", status=200),
    )
    answers = [both.file(link) for _ in range(3)]
    assert [answer.headers["Content-Type"].partition(";")[0] for answer in answers] == [
        "application/json",
        "text/html",
        "application/octet-stream",
    ]
    assert both.sandbox.books().bytes_served == 3_000_000

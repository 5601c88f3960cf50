"""NZB files: what they ask for, and what is wrong with those that are not sound."""

import gzip
import hashlib

import pytest

from offcloud_watchd.core.links import Nzb, is_nzb_of, parse, parse_nzb, remarks
from offcloud_watchd.core.links.nzb import MAX_DEPTH
from offcloud_watchd.core.links.remarks import NZB
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.errors import BadDrop

SEGMENTS = (
    '<segments><segment bytes="100" number="1">a@b</segment><segment bytes="50">c@d</segment></segments>'
)
FILE = f'<file poster="p" date="1" subject="s"><groups><group>a.b</group></groups>{SEGMENTS}</file>'
DOCTYPE = '<!DOCTYPE nzb PUBLIC "-//newzBin//DTD NZB 1.1//EN" "http://www.newzbin.com/DTD/nzb/nzb-1.1.dtd">'
HEAD = '<head><meta type="title">x</meta></head>'


@pytest.mark.parametrize(
    "text",
    [
        f"<nzb>{FILE}</nzb>",
        f'<?xml version="1.0" encoding="UTF-8"?>\n{DOCTYPE}\n<nzb xmlns="http://x/">{HEAD}{FILE}</nzb>',
        f'<n:nzb xmlns:n="http://x/">{FILE}</n:nzb>',
        f"<!-- made by x --><NZB>{FILE}</NZB>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_sound_nzb_is_counted(text: str, encoding: str) -> None:
    """Files, articles and what they weigh, with the head and the public DOCTYPE that indexers write."""
    digest = hashlib.sha256(b"a@b\nc@d\n").hexdigest()
    assert parse_nzb(text.encode(encoding)) == Nzb(1, 2, 150, digest)


def test_odd_sizes_count_as_nothing() -> None:
    """They are only told to people."""
    odd = "".join(f'<segment bytes="{size}">a@b</segment>' for size in ("", "x", "-1", "9" * 30, "7"))
    told = parse_nzb(f"<nzb><file><segments>{odd}</segments></file></nzb>".encode())
    assert (told.files, told.segments, told.size_bytes) == (1, 5, 7)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "line 1 is not well-formed"),
        ("<nzb>\n<file>", "line 2 is not well-formed"),
        ("<nzb>&a;</nzb>", "not well-formed"),
        ("<nzb/>", "names no files"),
        (f"<nzb>{HEAD}</nzb>", "names no files"),
        (f"<other>{FILE}</other>", "outermost element"),
        (f"<nzb>\n{FILE}\n<file></file></nzb>", "line 3: a file in it has no segments"),
        ("<nzb><file><segments><segment> </segment></segments></file></nzb>", "names no article"),
        ('<!DOCTYPE nzb [<!ENTITY a "b">]><nzb/>', "declares entities"),
        ("<!DOCTYPE nzb [<!ELEMENT nzb ANY>]><nzb/>", "declares entities"),
        (
            '<!DOCTYPE nzb SYSTEM "file:///etc/passwd" [<!ENTITY % a SYSTEM "b"> %a;]><nzb/>',
            "declares entities",
        ),
        ('<?xml version="1.0" encoding="no-such"?><nzb/>', "encoding|well-formed"),
        ('<?xml version="1.0" encoding="utf-7"?><nzb/>', "encoding|well-formed"),
        ("<nzb>" + "<a>" * MAX_DEPTH, "nested deeper"),
        (f"<nzb><file><segments><segment>{'x' * 2000}</segment></segments></file></nzb>", "too long"),
    ],
)
def test_refuses_what_is_not_sound(text: str, word: str) -> None:
    """Damaged, empty, foreign, swelling and endless documents have their reason, and nothing is opened."""
    with pytest.raises(BadDrop, match=word):
        parse_nzb(text.encode())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("<nzb><file>", "an NZB file .* that is damaged: line 1"),
        ("<rss/>", "no NZB file .* XML"),
    ],
)
@pytest.mark.parametrize("name", ["x.nzb", "x.torrent", "x.link"])
def test_an_nzb_is_named_whatever_it_is_called(name: str, text: str, word: str) -> None:
    """A damaged one is refused with that word."""
    if text == "<rss/>" and name != "x.nzb":
        word = "no torrent|no link|no line"
    with pytest.raises(BadDrop, match=word):
        parse(name, text.encode())


SOUND = f"<nzb>{FILE}</nzb>".encode()


@pytest.mark.parametrize(
    ("name", "called"),
    [("A.Show.nzb", "A.Show"), ("A.Show.NZB", "A.Show"), ("x.torrent", "x.torrent"), (".nzb", None)],
)
def test_a_sound_nzb_is_one_link(name: str, called: str | None) -> None:
    """Known by its articles and named by its file; a person is told who takes it."""
    (link,) = parse(name, SOUND).found
    digest = hashlib.sha256(b"a@b\nc@d\n").hexdigest()
    assert (link.kind, link.key, link.url, link.name) == (
        LinkKind.NZB,
        f"nzb:{digest}",
        f"nzb:{digest}",
        called,
    )
    assert remarks(link) == (NZB,)


def test_the_same_articles_are_the_same_link() -> None:
    """Whoever wrote the NZB, with whatever head and remarks, packed or not; other articles are not."""
    (link,) = parse("x.nzb", SOUND).found
    (packed,) = parse("x.nzb.gz", gzip.compress(SOUND)).found
    other = f"<!-- at 10:00 -->{DOCTYPE}<nzb>{HEAD}{FILE}</nzb>".encode()
    assert packed == link
    assert parse("x.nzb", other).found == (link,)
    assert is_nzb_of(link, other)
    assert not is_nzb_of(link, SOUND.replace(b"c@d", b"c@e"))
    assert not is_nzb_of(link, b"<nzb>")
    (page,) = parse("x.txt", b"https://h.invalid/f").found
    assert not is_nzb_of(page, SOUND)

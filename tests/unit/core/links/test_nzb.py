"""NZB files: what they ask for, and what is wrong with those that are not sound."""

import pytest

from offcloud_watchd.core.links import Nzb, parse, parse_nzb
from offcloud_watchd.core.links.nzb import MAX_DEPTH
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
    assert parse_nzb(text.encode(encoding)) == Nzb(files=1, segments=2, size_bytes=150)


def test_odd_sizes_count_as_nothing() -> None:
    """They are only told to people."""
    odd = "".join(f'<segment bytes="{size}">a@b</segment>' for size in ("", "x", "-1", "9" * 30, "7"))
    told = parse_nzb(f"<nzb><file><segments>{odd}</segments></file></nzb>".encode())
    assert told == Nzb(files=1, segments=5, size_bytes=7)


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
    ],
)
def test_refuses_what_is_not_sound(text: str, word: str) -> None:
    """Damaged, empty, foreign, swelling and endless documents have their reason, and nothing is opened."""
    with pytest.raises(BadDrop, match=word):
        parse_nzb(text.encode())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"<nzb>{FILE}</nzb>", r"an NZB file \(Usenet\) of 1 file in 2 articles. It is sound, but"),
        (
            f"<nzb>{FILE}{FILE.replace(SEGMENTS, '<segments><segment>x@y</segment></segments>')}</nzb>",
            "2 files in 3",
        ),
        ("<nzb><file>", "an NZB file .* that is damaged: line 1"),
        ("<rss/>", "no NZB file .* XML"),
    ],
)
@pytest.mark.parametrize("name", ["x.nzb", "x.torrent", "x.link"])
def test_an_nzb_is_named_whatever_it_is_called(name: str, text: str, word: str) -> None:
    """It is checked, then refused with that word; a good one and a damaged one are told apart."""
    if text == "<rss/>" and name != "x.nzb":
        word = "no torrent|no link|no line"
    with pytest.raises(BadDrop, match=word):
        parse(name, text.encode())

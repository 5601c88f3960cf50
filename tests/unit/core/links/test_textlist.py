"""Text lists: lines and their numbers, links amid prose and markup, repeats and bad lines."""

import pytest

from offcloud_watchd.core.links import parse, parse_link
from offcloud_watchd.core.links.magnet import MAX_MAGNET_CHARS
from offcloud_watchd.core.links.textlist import MAX_LINES, MAX_LINKS, MAX_TOLD, MAX_WRAPS
from offcloud_watchd.core.model import Links
from offcloud_watchd.errors import BadDrop

A, B = "a" * 40, "b" * 40
V2 = "cd" * 32
BASE32 = "VKVKVKVKVKVKVKVKVKVKVKVKVKVKVKVK"  # the same as A
GOOD = "https://good.example/"


def lines(*texts: str) -> Links:
    """Parse a list of lines."""
    return parse("x.txt", "\n".join(texts).encode())


def urls(text: str) -> list[str]:
    """Return the links in one line of a list."""
    return [link.url for link in lines(text).found]


def test_lines_count_from_one_and_blank_lines_and_comments_count() -> None:
    """LF, CRLF and CR end a line; a vertical tab or a line separator does not."""
    data = f"# one\r\n\r{GOOD}1\n; four\n// five\r\n  {GOOD}6\u2028\x0b\r{A}\n"
    links = parse("LIST.TXT", data.encode())
    assert [(link.key, link.line) for link in links.found] == [
        (f"url:{GOOD}1", 3),
        (f"url:{GOOD}6", 6),
        (f"btih:{A}", 7),
    ]
    assert (links.bad, links.duplicate_lines, links.is_list) == ((), (), True)


def test_bad_lines_do_not_spoil_good_ones() -> None:
    """Every line that holds no link that can be taken is told by its number, with its reason."""
    links = lines(GOOD, "prose", "http://", "ftp://a/b", A[:-1], "magnet:?dn=x", "two words", "mailto:a@b.c")
    assert [link.line for link in links.found] == [1]
    words = ["this is no link", "no valid host", "kind ftp", "39 characters", "names no", "no link", "mailto"]
    assert [bad.line for bad in links.bad] == list(range(2, 9))
    assert all(word in bad.reason for word, bad in zip(words, links.bad, strict=True))


def test_a_line_may_be_good_and_bad() -> None:
    """Of two links in a line one may be taken and the other told."""
    links = lines(f"{GOOD} https://u:s3cret@x.example/ ftp://x/")
    assert ([link.url for link in links.found], len(links.bad)) == ([GOOD], 1)
    assert "password" in links.bad[0].reason
    assert "s3cret" not in links.bad[0].reason


def test_repeats_are_told_by_line() -> None:
    """The same content in any spelling is taken once; letter case in a path makes another link."""
    magnet = f"magnet:?xt=urn:btih:{A}&xt=urn:btmh:1220{V2}"
    links = lines(
        A, A.upper(), BASE32, magnet, f"magnet:?xt=urn:btmh:1220{V2}", f"{GOOD}x", f"{GOOD}X", f"{A} {A}"
    )
    assert [link.line for link in links.found] == [1, 6, 7]
    assert links.duplicate_lines == (2, 3, 4, 5, 8)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"- {A}", f"btih:{A}"),
        (f"12. {A}", f"btih:{A}"),
        (f"* [x] {BASE32}", f"btih:{A}"),
        (f"> > {V2}", f"btmh:{V2}"),
        (f"{A} # remark", f"btih:{A}"),
        (f"\u2022 {A}  // remark", f"btih:{A}"),
        (f"1) magnet:?xt=urn:btih:{A}&dn=a b", f"btih:{A}"),
        (f"- {GOOD}", f"url:{GOOD}"),
    ],
)
def test_bullets_and_remarks_belong_to_no_link(text: str, key: str) -> None:
    """Lists are copied out of mails and notes, with what stands before and behind a link."""
    links = lines(text)
    assert ([link.key for link in links.found], links.bad) == ([key], ())


def test_a_few_wrappings_are_taken_off_and_no_more() -> None:
    """Brackets within brackets are taken off a hash; thousands of them are no wrapping."""
    assert lines(f"([<{A}>])").found[0].key == f"btih:{A}"
    links = lines(GOOD, "(" * 3 * MAX_WRAPS + A + ")" * 3 * MAX_WRAPS)
    assert [bad.line for bad in links.bad] == [2]


def test_a_bullet_hides_no_scheme() -> None:
    """What may hold anything is not searched for links, whatever stands before it."""
    with pytest.raises(BadDrop, match="kind javascript"):
        lines(f"- javascript:open('{GOOD}')")


def test_too_many_links_are_refused() -> None:
    """Links take more room than the bytes they stand in, so their number is bounded too, good or bad."""
    assert len(lines(*["http://a/ http://b/"] * (MAX_LINKS // 2)).found) == 2
    with pytest.raises(BadDrop, match="links; split it"):
        lines(*["http://a/ ftp://b/ http://c/"] * (MAX_LINKS // 2))


def test_nothing_but_comments_is_nothing_and_no_error() -> None:
    """Such a list has neither links nor bad lines."""
    assert lines("# a", "", "; b") == Links((), is_list=True)


def test_no_good_line_refuses_the_whole() -> None:
    """The reason lists the lines, but not endlessly."""
    with pytest.raises(BadDrop, match=r"line 1: .*\nline 3: ") as refusal:
        lines("x", "", "y")
    assert "more lines" not in str(refusal.value)
    with pytest.raises(BadDrop, match="more lines like these") as refusal:
        lines(*["x"] * 1000)
    assert str(refusal.value).count("\n") == MAX_TOLD + 1


def test_too_many_lines_and_too_long_lines_are_refused() -> None:
    """A list is bounded as a whole, and a line alone."""
    with pytest.raises(BadDrop, match="split it"):
        parse("x.txt", b"\n" * MAX_LINES + GOOD.encode())
    links = lines(f"{GOOD}1", "x" * (MAX_MAGNET_CHARS + 1), f"{GOOD}3")
    assert ([link.line for link in links.found], [bad.line for bad in links.bad]) == ([1, 3], [2])
    assert str(MAX_MAGNET_CHARS + 1) in links.bad[0].reason


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'"{GOOD}a"', ["a"]),
        (f"'{GOOD}a'", ["a"]),
        (f"<{GOOD}a>", ["a"]),
        (f"({GOOD}a)", ["a"]),
        (f"[{GOOD}a],", ["a"]),
        (f"`{GOOD}a`", ["a"]),
        (f"{GOOD}a,", ["a"]),
        (f"{GOOD}a...", ["a"]),
        (f"{GOOD}a\u3002", ["a"]),
        (f"**{GOOD}a**", ["a"]),
        (f"{GOOD}a_(b).zip", ["a_(b).zip"]),
        (f"{GOOD}a(b", ["a(b"]),
        (f"{GOOD}a)b", ["a)b"]),
        (f"{GOOD}a))", ["a"]),
        (f"see ({GOOD}a_(b).zip) too", ["a_(b).zip"]),
        (f"see ({GOOD}a too", ["a"]),
        (f"get '{GOOD}a' now", ["a"]),
        (f"{GOOD}a {GOOD}b\t{GOOD}c", ["a", "b", "c"]),
        (f"{GOOD}a,{GOOD}b;{GOOD}c", ["a", "b", "c"]),
        (f"{GOOD}a,b;c", ["a,b;c"]),
        (f"{GOOD}web/{GOOD}x", [f"web/{GOOD}x"]),
        (f"Link:{GOOD}a", ["a"]),
        (f"[a file]({GOOD}a)", ["a"]),
        (f"[url={GOOD}a]second[/url]", ["a"]),
        (f"[url]{GOOD}a[/url] x", ["a"]),
        (f"x]{GOOD}a", ["a"]),
        (f'<a href="{GOOD}?a=1&amp;b=2">x</a>', ["?a=1&b=2"]),
        (f"{GOOD}?a=1&amp;b=2", ["?a=1&amp;b=2"]),
        (f'["{GOOD}a","{GOOD}b"]', ["a", "b"]),
        (f"\u200b\ufeff{GOOD}a\u2060 \u200b", ["a"]),
        (f"{GOOD}a\u200b{GOOD}b", ["a", "b"]),
    ],
)
def test_cuts_links_out_of_what_stands_around_them(text: str, found: list[str]) -> None:
    """Quotes, brackets, markup, punctuation and unseen characters do not belong to a link."""
    assert urls(text) == [GOOD + rest for rest in found]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"magnet:?xt=urn:btih:{A}&dn=My Own Name", ["My Own Name"]),
        (f"magnet:?xt=urn:btih:{A} # a remark", [None]),
        (f"magnet:?xt=urn:btih:{A} &dn=x", ["x"]),
        (f"<magnet:?xt=urn:btih:{A}&dn=x>,", ["x"]),
        (f"magnet:?xt=urn:btih:{A}&dn=x magnet:?xt=urn:btih:{B}&dn=y", ["x", "y"]),
        (f"magnet:?xt=urn:btih:{A}&dn=x,magnet:?xt=urn:btih:{B}&dn=y", ["x", "y"]),
        (f"get magnet:?xt=urn:btih:{A}&dn=x now", ["x"]),
        (f'<a href="magnet:?xt=urn:btih:{A}&amp;dn=x">get</a>', ["x"]),
        (f"magnet:?xt=urn:btih:{A}&dn=x&tr=http://t/a", ["x"]),
    ],
)
def test_magnets_in_lines(text: str, names: list[str | None]) -> None:
    """A magnet alone on its line may hold spaces; amid other things it ends at the first."""
    assert [link.name for link in lines(text).found] == names


def test_hashes_in_lines() -> None:
    """Bare hashes count when nothing else stands in the line."""
    assert [link.key for link in lines(f"{A}, <{B}>; btmh:1220{V2}").found] == [
        f"btih:{A}",
        f"btih:{B}",
        f"btmh:{V2}",
    ]
    assert len(lines(GOOD, f"{A}  some file.iso").bad) == 1


@pytest.mark.parametrize(
    "text", [f"javascript:open('{GOOD}')", f"data:text/html,{GOOD}", f"view-source:{GOOD}"]
)
def test_a_link_inside_a_foreign_scheme_is_not_taken(text: str) -> None:
    """What begins as something else is refused as a whole."""
    with pytest.raises(BadDrop, match="are not taken"):
        lines(text)


def test_an_operator_may_quote_a_link() -> None:
    """Quotes and brackets around the one link of a command are no part of it."""
    assert parse_link(f' "<{A}>", ').key == f"btih:{A}"
    with pytest.raises(BadDrop, match="more than one line"):
        parse_link(f"{GOOD}\n{GOOD}")


def test_long_lines_of_brackets_and_words_are_cheap() -> None:
    """Work grows with the length of a line, not with its square."""
    for text in (GOOD + ")" * 60_000, "(" * 60_000, "a " * 30_000, "magnet:?" + "xt=urn:btih:a " * 4_000):
        assert parse("x.txt", f"{GOOD}1\n{text}".encode()).found[0].line == 1

"""Lists as people and programs leave them: ten thousand lines, any encoding, links that are never taken."""

import base64

import pytest

from offcloud_watchd.core.links import parse
from offcloud_watchd.core.model import Links

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
ENDS = ("\n", "\r\n", "\r")
LINES = 10_000


def line(number: int) -> str:
    """Write one line: a magnet, its hash in base32 within brackets, a link, a remark, or rubbish."""
    raw = (number // 5).to_bytes(20, "big")
    match number % 5:
        case 0:
            return f"magnet:?xt=urn:btih:{raw.hex()}&dn=Fundstück+{number}"
        case 1:
            return f"<{base64.b32encode(raw).decode()}>,"
        case 2:
            return f"  https://example.com/{number}."
        case 3:
            return "# für später"
        case _:
            return f"nothing at all, {number}"


def numbers(rest: int) -> list[int]:
    """Return the line numbers, from 1, of every fifth line."""
    return list(range(rest + 1, LINES + 1, 5))


@pytest.mark.parametrize("end", ENDS, ids=("lf", "crlf", "cr"))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ten_thousand_lines(encoding: str, end: str) -> None:
    """Whatever the encoding and the line end: good lines, repeats and bad lines, each by its number."""
    links = parse("x.txt", end.join(map(line, range(LINES))).encode(encoding))
    assert [link.line for link in links.found] == sorted(numbers(0) + numbers(2))
    assert list(links.duplicate_lines) == numbers(1)
    assert [bad.line for bad in links.bad] == numbers(4)
    assert links.found[0].name == "Fundstück 0"
    assert links.found[1].url == "https://example.com/2"


REFUSED = {
    "file:///etc/passwd": "kind file",
    "file:/etc/passwd": "kind file",
    "javascript:open('https://example.com/')": "kind javascript",
    "data:text/html,<a href='https://example.com/'>": "kind data",
    "vbscript:x": "kind vbscript",
    "blob:https://example.com/x": "kind blob",
    "view-source:https://example.com/": "kind view-source",
    "mailto:a@example.com": "kind mailto",
    "smb://host/share": "kind smb",
    "ftp://host/file": "kind ftp",
    "sftp://host/file": "kind sftp",
    "ssh://host": "kind ssh",
    "gopher://host/": "kind gopher",
    "ed2k://|file|x|1|A|/": "kind ed2k",
    "http://user:s3cret@example.com/": "password",
    "https://user@example.com/": "password",
    "https://example.com\\@evil.example/": "password",
    "http://[::1": "not well-formed",
    "http://[::1%eth0]/": "network card",
    "http://a\x01b/": "control characters",
    "http://example.com:99999/": "port",
    "http://example.com:0/": "port",
    "http:///etc": "no valid host",
    "magnet:?xt=urn:btih:" + "a" * 39: "39 characters",
    "magnet:?xt=urn:btih:" + "a" * 41: "41 characters",
    "\\\\server\\share": "no link",
}


def test_what_is_never_taken_is_refused_by_its_line() -> None:
    """Every one of them is told with its line number and its reason, and its neighbours go on."""
    text = "\n".join(f"{refused}\nhttps://good.example/{number}" for number, refused in enumerate(REFUSED))
    links = parse("x.txt", text.encode())
    assert [
        (bad.line, word in bad.reason) for bad, word in zip(links.bad, REFUSED.values(), strict=True)
    ] == [(2 * number + 1, True) for number in range(len(REFUSED))]
    assert [link.line for link in links.found] == [2 * number + 2 for number in range(len(REFUSED))]
    assert not any("s3cret" in bad.reason for bad in links.bad)


PRIVATE = (
    "http://127.0.0.1/x",
    "http://localhost/x",
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/x",
    "http://0x7f.1/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://10.0.0.1.nip.example/x",
)


@pytest.mark.parametrize("url", PRIVATE)
def test_private_addresses_are_passed_on_and_looked_up_by_nobody(url: str) -> None:
    """They mean the service's own network, not ours: the parsers open nothing; nothing is to be guarded."""
    links: Links = parse("x.txt", url.encode())
    assert [link.url for link in links.found] == [url]

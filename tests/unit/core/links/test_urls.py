"""Web links: which are taken, and in which spelling."""

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.links.urls import MAX_URL_CHARS
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.errors import BadDrop


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        ("HTTPS://EXAMPLE.com:443/A%2fb", "https://example.com/A%2fb"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("http://example.com:/x", "http://example.com/x"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("https://example.com./x", "https://example.com./x"),
        ("https://a_b.example.com/x", "https://a_b.example.com/x"),
        ("https://127.0.0.1/x", "https://127.0.0.1/x"),
        ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://straße.example/x", "https://straße.example/x"),
        ("https://example.com/a b/ü?q=100%&r=%41", "https://example.com/a%20b/%C3%BC?q=100%&r=%41"),
        ("https://example.com/{a}|b^c\\d", "https://example.com/{a}|b^c%5Cd"),
        ("https://[::FFFF:1.2.3.4]/x", "https://[::ffff:1.2.3.4]/x"),
        ("https://example.com?x=[1]", "https://example.com?x=[1]"),
        ("https://example.com/\ud800", "https://example.com/?"),
    ],
)
def test_takes_a_link_in_one_spelling(text: str, url: str) -> None:
    """Letter case of the host, default ports and escapes are mended, the rest is left as it is."""
    link = parse_link(text)
    assert (link.kind, link.url, link.key, link.name) == (LinkKind.URL, url, f"url:{url}", None)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ftp://example.com/x", "kind ftp:"),
        ("FILE:///etc/passwd", "kind file:"),
        ("javascript:alert(1)", "kind javascript:"),
        ("data:text/plain,x", "kind data:"),
        ("smb://host/share", "kind smb:"),
        ("word", "no link"),
        ("secret:word", "no link"),
        ("", "no link"),
        ("https:/example.com", "no link"),
        ("https://user:s3cret@example.com/x", "password"),
        ("https://user@example.com/x", "password"),
        ("https://", "no valid host"),
        ("https:///x", "no valid host"),
        ("https://.", "no valid host"),
        ("https://a..b/x", "no valid host"),
        ("https://-a.example/x", "no valid host"),
        ("https://exa mple.com/x", "no valid host"),
        ("https://example.com\\x", "no valid host"),
        ("https://%65xample.com/x", "no valid host"),
        ("https://" + "a." * 130 + "example/x", "no valid host"),
        ("https://" + "a" * 64 + ".example/x", "no valid host"),
        ("https://" + "ü" * 63 + ".example/x", "letters no host"),
        ("https://xn--\u00fc.example/x", "letters no host"),
        ("https://[::1", "well-formed"),
        ("https://[::1]x/", "well-formed"),
        ("https://a:b/x", "well-formed"),
        ("https://[:::]/x", "IPv6"),
        ("https://[fe80::1%eth0]/x", "network card"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:999999/", "well-formed"),
        ("https://example.com/a\tb", "control"),
        ("https://example.com/a\x00b", "control"),
        ("https://example.com/" + "x" * MAX_URL_CHARS, "characters"),
    ],
)
def test_refuses_every_other_link(text: str, word: str) -> None:
    """Other schemes, passwords, broken hosts and ports, control codes: each has its reason."""
    with pytest.raises(BadDrop, match=word) as refusal:
        parse_link(text)
    assert "s3cret" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("FTP://Files.example:21/pub/a b", "ftp://files.example/pub/a%20b"),
        ("ftp://[2001:DB8::1]:2121/x", "ftp://[2001:db8::1]:2121/x"),
        ("https://example.com/x", "https://example.com/x"),
    ],
)
def test_ftp_is_taken_where_it_is_asked_for(text: str, url: str) -> None:
    """By the rules of all links; every other kind stays refused."""
    assert parse_link(text, ftp=True).url == url
    for wrong in ("ftps://h/x", "sftp://h/x", "ftp://user:word@h/x", "file:///x"):
        with pytest.raises(BadDrop):
            parse_link(wrong, ftp=True)

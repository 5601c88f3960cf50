"""Where the links of files lead, and what is said of them."""

import pytest

from offcloud_watchd.fetch.address import host_of, is_public, redirected
from offcloud_watchd.fetch.broken import Broken


def test_https_is_not_left() -> None:
    """Fault 91: from https no redirect leads to plain http."""
    assert redirected("https://a.example/x", "/y") == "https://a.example/y"
    with pytest.raises(Broken, match="broken"):
        redirected("http://a.example/x", "http://[::1")
    with pytest.raises(Broken, match="away from https"):
        redirected("https://a.example/x", "http://a.example/y")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("2001:4860:4860::8888", True),
        ("::ffff:192.168.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("fe80::1%eth0", False),
    ],
)
def test_what_is_a_public_address(address: str, *, public: bool) -> None:
    """Whatever form it is written in."""
    assert is_public(address) is public


def test_the_host_is_all_a_message_says() -> None:
    """Links are secrets; a host's name is cleaned before people see it."""
    assert host_of("https://user:pass@cdn.example/secret?token=1") == "cdn.example"
    assert host_of("https://e\u202evil.example/") == "evil.example"
    assert host_of("https://[::1") == host_of("nothing") == "the file host"

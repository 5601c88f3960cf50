"""Shortcut files of Windows, of Linux desktops and of macOS."""

import plistlib
import subprocess
import sys

import pytest

from offcloud_watchd.core.links import parse
from offcloud_watchd.core.links.linkfile import MAX_SHORTCUT_BYTES
from offcloud_watchd.core.model import Link
from offcloud_watchd.errors import BadDrop

URL = "https://example.com/a?b=100%25&c=%20"


def one(name: str, data: str | bytes) -> Link:
    """Return the one link of a shortcut."""
    links = parse(name, data.encode() if isinstance(data, str) else data)
    assert (len(links.found), links.is_list) == (1, False)
    return links.found[0]


@pytest.mark.parametrize(
    "text",
    [
        f"[InternetShortcut]\r\nURL={URL}\r\n",
        f"[internetshortcut]\nurl = {URL} \n",
        f'[InternetShortcut]\nURL="{URL}"',
        f"[InternetShortcut]\rURL={URL}\rHotKey=0",
        f"[{{000214A0-0000-0000-C000-000000000046}}]\nProp3=19,11\n[InternetShortcut]\nIDList=\nURL={URL}",
        f"[DEFAULT]\nBASEURL=https://wrong/\nURL=https://wrong/\n[InternetShortcut]\nURL={URL}\n",
        f"[InternetShortcut]\nURL=\nURL={URL}\nURL=https://wrong/\n",
        f"[InternetShortcut]\na line without a sign\nURL={URL}\n  indented\nIconFile=https://wrong/i.ico",
        f"[InternetShortcut.W]\nURL=https://wrong/\n[InternetShortcut]\nURL={URL}",
    ],
)
def test_windows_shortcut(text: str) -> None:
    """The first address below the right section counts, untouched, whatever stands around it."""
    assert one("x.URL", text).url == URL
    assert one("x.url", b"\xff\xfe" + text.encode("utf-16-le")).url == URL


def test_wide_copy_counts_where_it_stands_alone() -> None:
    """Windows writes letters outside its code page in UTF-7, in a section of its own."""
    text = "[InternetShortcut.W]\r\nURL=https://example.com/+AOk-\r\n"
    assert one("x.url", text).url == "https://example.com/%C3%A9"
    assert one("x.txt", f"{text}[InternetShortcut]\nURL={URL}").url == URL


@pytest.mark.parametrize(
    "text",
    [
        f"[Desktop Entry]\nType=Link\nName=x\nURL={URL}\nIcon=text-html",
        f"[Desktop Entry]\nURL[$e]={URL}\ntype=link\n",
        f"[Desktop Action x]\nURL=https://wrong/\n[desktop entry]\nType=Link\nURL={URL}",
    ],
)
def test_desktop_link(text: str) -> None:
    """Only an entry of type Link counts; KDE's flag is known and nothing is expanded."""
    assert one("x.desktop", text).url == URL


def test_desktop_escapes_are_undone() -> None:
    """The desktop's own escapes are not part of the address."""
    link = one("x.desktop", "[Desktop Entry]\nType=Link\nURL=https://a/b\\sc\\\\d$HOME")
    assert link.url == "https://a/b%20c%5Cd$HOME"


def test_shortcut_to_a_magnet() -> None:
    """A magnet in a shortcut is a torrent like any other."""
    text = "[InternetShortcut]\nURL=magnet:?xt=urn:btih:" + "a" * 40 + "&dn=100%25+real"
    assert (one("x.url", text).key, one("x.url", text).name) == ("btih:" + "a" * 40, "100% real")


def test_shortcut_is_known_under_another_name() -> None:
    """The section tells what it is, whatever the extension says."""
    assert one("x.txt", f"[InternetShortcut]\nURL={URL}").url == URL


@pytest.mark.parametrize("name", ["x.url", "x.desktop"])
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[InternetShortcut]\nIconFile=https://example.com/i.ico", "holds no link"),
        ("[Other]\nURL=https://example.com/", "holds no link"),
        ("IconFile=https://example.com/i.ico", "holds no link"),
        ("[Desktop Entry]\nType=Application\nExec=x\nURL=https://example.com/", "holds no link"),
        ("[Desktop Entry]\nURL=https://example.com/", "holds no link"),
        ("[Desktop Entry]\nType=Link\nURL[de]=https://example.com/", "holds no link"),
        ("[InternetShortcut]\nURL=file:///etc/passwd", "line 2: .*kind file"),
        ("[InternetShortcut]\r\n\r\nURL=javascript:alert(1)", "line 3: .*kind javascript"),
        ("[Desktop Entry]\nType=Link\n\nURL=http://", "line 4: .*no valid host"),
        ("[InternetShortcut]\nURL=https://u:p@example.com/", "password"),
        ("[InternetShortcut]\n" + "x" * MAX_SHORTCUT_BYTES, "so large"),
    ],
    ids=range(11),
)
def test_refuses_a_shortcut_without_a_link(name: str, text: str, word: str) -> None:
    """Starters, icons and addresses that are not taken give no link."""
    with pytest.raises(BadDrop, match=word):
        parse(name, text.encode())


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_webloc(form: plistlib.PlistFormat) -> None:
    """Both forms of a property list are read, under any name."""
    data = plistlib.dumps({"URL": URL}, fmt=form)
    assert one("x.webloc", data).url == one("x.link", data).url == URL


def test_webloc_in_another_encoding() -> None:
    """XML may come in UTF-16, or behind a byte order mark."""
    text = plistlib.dumps({"URL": URL}).decode().replace("UTF-8", "UTF-16")
    assert one("x.webloc", text.encode("utf-16")).url == URL
    assert one("x.webloc", b"\xef\xbb\xbf" + plistlib.dumps({"URL": URL})).url == URL


def test_the_readers_of_xml_are_loaded_when_they_are_needed() -> None:
    """A daemon that never meets a .webloc or an NZB does not carry expat and plistlib."""
    program = (
        "import sys; from offcloud_watchd.core.links import parse; parse('x.url', b'https://example.com/');"
        "assert not {'plistlib', 'pyexpat'} & sys.modules.keys();"
        "parse('x.webloc', b'<plist><dict><key>URL</key><string>https://example.com/</string></dict></plist>');"
        "assert {'plistlib', 'pyexpat'} <= sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


SWELLING = (
    b'<!DOCTYPE plist [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    b"<plist><dict><key>URL</key><string>&b;</string></dict></plist>"
)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"bplist00", "no readable"),
        (b"bplist00" + b"\xff" * 40, "no readable"),
        (b"<plist>", "no readable"),
        (b"<plist><date>x</date></plist>", "no readable"),
        (b"<plist><dict><string>x</string></dict></plist>", "no readable"),
        (b"<plist>" + b"<array>" * 20_000, "no readable"),
        (SWELLING, "no readable"),
        (plistlib.dumps({"Name": "x"}), "no URL"),
        (plistlib.dumps({"URL": 5}), "no URL"),
        (plistlib.dumps({"URL": " "}), "no URL"),
        (plistlib.dumps([URL]), "no URL"),
        (plistlib.dumps({"URL": "file:///etc/passwd"}), "kind file"),
        (plistlib.dumps({"URL": "x" * MAX_SHORTCUT_BYTES}), "so large"),
    ],
    ids=range(13),
)
def test_refuses_a_webloc_without_a_link(data: bytes, word: str) -> None:
    """Broken, swelling, foreign and oversized property lists are refused with the reason."""
    with pytest.raises(BadDrop, match=word):
        parse("x.webloc", data)

"""Parameters in every spelling."""

from __future__ import annotations

import pytest

from offcloud_watchd.sandbox.forms import MOST_FIELDS, read_files, read_form, read_json, read_query

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xyz"


@pytest.mark.parametrize("names", [("a", "a"), ("a[]", "a[]"), ("a[0]", "a[1]")])
def test_arrays_in_forms(names: tuple[str, str]) -> None:
    """Repeated, bracketed and numbered names are one array."""
    body = "&".join(f"{name}=v{number}" for number, name in enumerate(names)).encode()
    assert read_form(FORM, body).many("a") == ("v0", "v1")


def test_json() -> None:
    """JSON members are strings, truths or arrays of them; other values are no parameters."""
    body = b'{"a": ["x", 1, "y"], "b": "z", "c": {"d": "e"}, "t": true, "f": false}'
    form = read_form("application/json; charset=utf-8", body)
    assert (form.many("a"), form.one("b"), form.one("c")) == (("x", "y"), "z", "")
    assert (form.one("t"), form.one("f")) == ("true", "false")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"7", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_json_that_holds_no_parameters(body: bytes) -> None:
    """What cannot be read, however deep or long, gives no parameters."""
    assert not read_form("application/json", body).values


def test_json_value() -> None:
    """A JSON body is returned as it is."""
    assert read_json(b"[1]") == [1]


def test_multipart() -> None:
    """Parts are parameters; a part without a name is passed over."""
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://x/\xc3\xa9\r\n'
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\nnothing\r\n--xyz--\r\n"
    )
    assert read_form(MULTIPART, body).values == {"url": ("http://x/é",)}


def test_a_part_that_holds_parts_is_passed_over() -> None:
    """Nobody sends one."""
    inner = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nx\r\n--in--\r\n"
    assert not read_form(MULTIPART, b"--xyz\r\n" + inner + b"\r\n--xyz--\r\n").values


def test_files() -> None:
    """A part with a file name is a file, byte for byte, and no parameter."""
    data = bytes(range(256)) * 3 + b"\r\n\r\n--not the boundary\n\r"
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.torrent"\r\n\r\n'
    body = head + data + b'\r\n--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--xyz--\r\n'
    assert read_files(MULTIPART, body) == [("a.torrent", data)]
    assert read_form(MULTIPART, body).values == {"a": ("b",)}


@pytest.mark.parametrize(
    "content_type", [MULTIPART, "multipart/form-data", "multipart/form-data; boundary=\xff"]
)
def test_multipart_that_is_none(content_type: str) -> None:
    """A body that does not hold what its type says gives no parameters."""
    assert not read_form(content_type, b"nonsense").values


def test_query() -> None:
    """Blank values are kept, and too many fields are none."""
    assert read_query("a=&b=1").many("a") == ("",)
    assert not read_query("&".join(["a=1"] * (MOST_FIELDS + 1))).values

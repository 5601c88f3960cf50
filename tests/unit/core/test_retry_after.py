"""How long another server asks to be left alone."""

import pytest

from offcloud_watchd.core.retry_after import FAR_S, retry_after_s


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-1", 0.0),
        ("1000000000", FAR_S),
        ("9" * 40, FAR_S),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("12 apples", None),
    ],
)
def test_retry_after_is_read_in_every_form(header: str | None, seconds: float | None) -> None:
    """Seconds, a date, nothing, the past, the impossible and garbage all have one meaning."""
    assert retry_after_s(header, 1767323045.0) == seconds

"""The text format, read back by Prometheus' own library."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from offcloud_watchd.metrics.exposition import Family, Sample, exposed


def read(page: bytes) -> dict[tuple[str, tuple], float]:
    """Return every figure of a page."""
    families = text_string_to_metric_families(page.decode())
    return {(one.name, tuple(one.labels.items())): one.value for family in families for one in family.samples}


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_label_comes_back_as_it_was(text, value):
    """Quotes, backslashes and line ends in a label break nothing."""
    page = exposed([Family("x_bytes", "gauge", "An x.", (Sample(value, {"folder": text}),))])
    assert read(page) == {("x_bytes", (("folder", text),)): value}


def test_bytes_that_are_no_text():
    """A directory with an odd name does not cost the whole page."""
    page = exposed([Family("x", "gauge", "An x.", (Sample(1, {"folder": "/a\udcffb"}),))])
    assert read(page) == {("x", (("folder", "/a?b"),)): 1}


def test_a_family_without_figures_is_left_out():
    """A head without figures would only be noise."""
    assert exposed([Family("x", "gauge", "An x.", ())]) == b""


def test_the_form():
    """A help line, a type, the figures; whole numbers without a point."""
    family = Family("x_total", "counter", "All\nof \\ them.", (Sample(3.0, {}), Sample(True, {"a": "b"})))
    assert exposed([family]).decode().splitlines() == [
        "# HELP x_total All\\nof \\\\ them.",
        "# TYPE x_total counter",
        "x_total 3",
        'x_total{a="b"} 1',
    ]

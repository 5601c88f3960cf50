"""The traffic as a picture: what came home as an area, how many waited as a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from offcloud_watchd.core.story import size
from offcloud_watchd.web.page.markup import Html, tag
from offcloud_watchd.web.page.words import several
from offcloud_watchd.web.traffic import Sample, Traffic

SPANS: Final = {"hour": 3600.0, "day": 86400.0}
LEAST_S: Final = 120.0
_WIDTH: Final = 600.0
_HEIGHT: Final = 100.0


def chart(traffic: Traffic, span: str, now: float, other: Html) -> Html:
    """Draw the last hour or day; ``other`` leads to the other one."""
    samples = [one for one in (traffic.day if span == "day" else traffic.hour) if one.at > now - SPANS[span]]
    # A daemon that is young has not been at it for an hour: what there is takes the whole width.
    length_s = min(SPANS[span], max(LEAST_S, now - samples[0].at)) if samples else SPANS[span]
    fastest = max((one.bytes_per_s for one in samples), default=0.0)
    longest = max((one.waiting for one in samples), default=0)
    said = _said(samples, span, fastest, longest)
    picture = tag(
        "svg",
        tag("path", d=_area(samples, now, length_s, fastest), class_="area"),
        tag("polyline", points=_line(samples, now, length_s, longest), class_="queue"),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=said,
    )
    scale = tag(
        "p",
        tag("span", _ago(length_s)),
        tag("span", "area: what came home · dashed: jobs waiting"),
        tag("span", "now"),
        class_="scale",
        aria_hidden="true",
    )
    caption = tag("figcaption", tag("span", said), " ", other)
    return tag("figure", picture, scale, caption, class_="chart")


def _ago(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min ago" if minutes < 90 else f"{round(minutes / 60)} h ago"


def _said(samples: Sequence[Sample], span: str, fastest: float, longest: int) -> str:
    if not samples:
        return f"Last {span}: nothing to show yet"
    mean = sum(one.bytes_per_s for one in samples) / len(samples)
    return (
        f"Last {span}: {size(mean)}/s on average, {size(fastest)}/s at most; "
        f"{several(longest, 'job')} waiting at most"
    )


def _area(samples: Sequence[Sample], now: float, length_s: float, most: float) -> str:
    points = _points(samples, now, length_s, [one.bytes_per_s for one in samples], most)
    if not points:
        return ""
    middle = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f"M{points[0][0]:.1f} {_HEIGHT:.0f} L{middle} L{points[-1][0]:.1f} {_HEIGHT:.0f} Z"


def _line(samples: Sequence[Sample], now: float, length_s: float, most: float) -> str:
    points = _points(samples, now, length_s, [float(one.waiting) for one in samples], most)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _points(
    samples: Sequence[Sample], now: float, length_s: float, values: Sequence[float], most: float
) -> list[tuple[float, float]]:
    """Place values in the picture: the time from left to right, the greatest value near its upper edge."""
    scale = (_HEIGHT - 4) / most if most else 0.0
    return [
        (max(0.0, _WIDTH * (1 - (now - one.at) / length_s)), _HEIGHT - value * scale)
        for one, value in zip(samples, values, strict=True)
    ]

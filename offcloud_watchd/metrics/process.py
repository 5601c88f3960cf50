"""Figures of the process itself, under the names every Prometheus client gives them."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from offcloud_watchd.metrics.exposition import Family, Sample


def process(started_at: float) -> Iterator[Family]:
    """Return what the kernel tells of this process.

    Source: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics; proc(5).
    """
    yield _gauge("process_start_time_seconds", "When the process started.", started_at)
    what = "CPU time the process has used."
    yield Family("process_cpu_seconds_total", "counter", what, (Sample(time.process_time(), {}),))
    with suppress(OSError, ValueError, IndexError):  # without /proc there is one figure less
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        yield _gauge("process_resident_memory_bytes", "Memory the process holds.", resident)
    with suppress(OSError):
        yield _gauge(
            "process_open_fds", "Descriptors that are open.", len(list(Path("/proc/self/fd").iterdir()))
        )
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield _gauge("process_max_fds", "Descriptors that may be open.", most)


def _gauge(name: str, what: str, value: float) -> Family:
    return Family(name, "gauge", what, (Sample(value, {}),))

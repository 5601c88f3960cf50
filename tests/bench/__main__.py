"""``make bench``: every figure beside its peer, in the same run."""

from tests.bench import (
    besieged,
    fetch_vs_curl,
    fetching,
    idle,
    intake,
    job_memory,
    journal_fold,
    polling,
    scale,
    thousands,
    web,
)

BENCHES = (
    journal_fold,
    job_memory,
    intake,
    polling,
    thousands,
    scale,
    fetch_vs_curl,
    fetching,
    idle,
    web,
    besieged,
)

if __name__ == "__main__":
    for bench in BENCHES:
        bench.main()

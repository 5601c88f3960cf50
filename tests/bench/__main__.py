"""``make bench``: every figure beside its peer, in the same run."""

from tests.bench import besieged, fetch_vs_curl, fetching, idle, intake, journal_fold, polling, scale, web

if __name__ == "__main__":
    for bench in (journal_fold, intake, polling, scale, fetch_vs_curl, fetching, idle, web, besieged):
        bench.main()

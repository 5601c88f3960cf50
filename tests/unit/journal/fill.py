"""Fill a disk with a journal, make room, go on: run as a process of its own by ``test_full_disk``.

Arguments: ``room`` (the state directory is a file system of 256 KiB) or ``limit`` (files may not grow), and
the state directory. Prints what happened as JSON.
"""

import json
import resource
import sys
from pathlib import Path

from offcloud_watchd.core.events import Event
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.errors import JournalUnwritable
from offcloud_watchd.journal import Journal, open_journal, read_jobs, verify
from tests.fakes.clock import FakeClock
from tests.unit.journal.lives import queued

LIMIT_BYTES = 40 << 10
BALLAST_BYTES = 160 << 10


def filled(journal: Journal) -> tuple[list[Event], str]:
    """Append until it fails; return what was recorded and the error."""
    done: list[Event] = []
    while True:
        batch = [queued(f"{len(done) + number:06}") for number in range(10)]
        try:
            journal.append(batch)
        except JournalUnwritable as error:
            return done, str(error)
        done += batch


def works(journal: Journal, done: list[Event] | None) -> bool:
    """Try a renewal, or without jobs an append."""
    try:
        if done is None:
            journal.append([queued("early")])
        else:
            journal.renew(fold(done))
    except JournalUnwritable:
        return False
    return True


def main(kind: str, state_dir: Path) -> None:
    """Do it."""
    ballast = state_dir / "ballast"
    hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if kind == "room":
        ballast.write_bytes(bytes(BALLAST_BYTES))
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard_limit))
    journal, _ = open_journal(state_dir, FakeClock())
    done, error = filled(journal)
    result: dict[str, object] = {
        "error": error,
        "recorded": len(done),
        "kept": read_jobs(state_dir) == fold(done),
        "torn_bytes": verify(state_dir).torn_bytes,
        "appends_while_full": works(journal, None),
    }
    if kind == "room":
        result["renews_while_full"] = works(journal, done)
        ballast.unlink()
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
    journal.renew(fold(done))
    journal.append([queued("late")])
    journal.close()
    result["reopened"] = open_journal(state_dir, FakeClock())[1] == fold([*done, queued("late")])
    result["files"] = sorted(path.name for path in state_dir.glob("journal.jsonl*"))
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

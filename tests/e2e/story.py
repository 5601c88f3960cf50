"""What an operator reads in the log, at info, of five kinds of drops: one line a step for each job.

A torrent and, while it is under way, the same again; a torrent that is none; a list with a bad line; a link
that the service refuses; the torrent once more when it is done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

LIST: Final = """# wanted
magnet:?xt=urn:btih:1111111111111111111111111111111111111111&dn=One
http://example.com/secret-path/file.bin?token=SECRET
no link at all
"""
REFUSAL: Final[dict[str, object]] = {
    "endpoint": "cloud",
    "kind": "answer",
    "status": 200,
    "body": json.dumps({"error": "The file is not available on the server."}),
}
"""What the sandbox says next to a link."""

SECRETS: Final = ("SECRET", "secret-path", "magnet:")
"""Parts of the links that must not be read."""

_STORY: Final = """\
offcloud-watchd VERSION starts
journal read: 0 jobs
ready: 0 queued, 0 in the cloud, 0 fetching, 0 done, 0 failed
JOB Good.Film: taken from Good.Film.torrent for {category}
JOB Good.Film: submitted as request REQUEST
JOB Good.Film: Again.torrent wants the same and joins it
JOB Good.Film: the service has it: fetching
JOB Good.Film: published: {output}/Good.Film (5 files, SIZE, verified: pieces)
drop folder {drop}: Bad.torrent was refused: this is no torrent: it is plain text and \
no bencoded data, perhaps the site's error message: open it and look
drop folder {drop}: 1 of 3 links in wanted.txt refused, the others go on: line 4: \
it holds no link; a magnet link, an http or https link or an info hash is needed; all of it stands in failed/
JOB One: taken from wanted.txt for {category}
JOB file.bin: taken from wanted.txt for {category}
JOB One: submitted as request REQUEST
JOB file.bin: submitted as request REQUEST
JOB One: the service has it: fetching
JOB file.bin: the service has it: fetching
JOB One: published: {output}/One (3 files, SIZE, verified: size)
JOB file: published: {output}/file (1 file, SIZE, verified: size)
JOB Lost: taken from Lost.magnet for {category}
JOB Lost: failed: POST {host}/api/cloud answered 200, 'The file is not available on the server.'; \
the service cannot use this link: check it, or try another source
JOB Good.Film: dropped again by Once.More.torrent: looking whether it is still there
JOB Good.Film: dropped again; it is still there: {output}/Good.Film
"""
_WORDS: Final = (
    ("^[0-9a-f]{12} ", "JOB "),
    ("request [0-9a-f]{24}$", "request REQUEST"),
    ("chd [0-9.]+ starts", "chd VERSION starts"),
    ("files?, [0-9.]+[KM]iB,", lambda found: found[0].split()[0] + " SIZE,"),
)
"""What differs each time."""


def assert_told(log: Iterable[str], **places: str) -> None:
    """See that the lines of a log are those of the story, and that each job's come in its order."""
    story = _STORY.format(**places).splitlines()
    lines = list(log)
    assert sorted(map(_plain, lines)) == sorted(story), "\n".join(lines)
    for job in {line.split()[0] for line in lines if _plain(line).startswith("JOB ")}:
        told = iter(story)
        own = [_plain(line) for line in lines if line.startswith(job)]
        assert all(step in told for step in own), own


def _plain(line: str) -> str:
    for word, same in _WORDS:
        line = re.sub(word, same, line)
    return line

"""A journal that was written before jobs could be dropped again: it folds to what it meant.

The lines are literal, as the program of that day wrote them. They are never to be made anew.
"""

from __future__ import annotations

from dataclasses import replace

from offcloud_watchd.core.events import DroppedAgain
from offcloud_watchd.core.lifecycle import evolve, fold
from offcloud_watchd.core.model import (
    Destination,
    Drop,
    Job,
    JobState,
    Link,
    LinkKind,
    Publication,
    Submission,
)
from offcloud_watchd.journal.records import Chain, Translator

JOURNAL_ID = "0123456789abcdef"

EVENTS = (
    (
        b'{"v":1,"seq":1,"batch":1,"at":1800000000.0,"job":"a1","kind":"queued","data":{"link":{"kind":"t'
        b'orrent","key":"btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","url":"magnet:?xt=urn:btih:aaaaaa'
        b'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","name":"Name","line":3},"drop":{"id":"d1","name":"d1.txt","'
        b'folder":"/drop","sha256":"ab"},"destination":{"category":"tv","directory":"/out/tv"},"release":'
        b'"Rel"},"crc":"ff095c8f"}\n'
    ),
    (
        b'{"v":1,"seq":2,"batch":2,"at":1800000001.0,"job":"a1","kind":"attached","data":{"drop":{"id":"d'
        b'2","name":"d2.txt","folder":"/drop","sha256":"ab"}},"crc":"2b8793ab"}\n'
    ),
    (
        b'{"v":1,"seq":3,"batch":3,"at":1800000002.0,"job":"a1","kind":"submitting","data":{},"crc":"5b2e'
        b'aa86"}\n'
    ),
    (
        b'{"v":1,"seq":4,"batch":4,"at":1800000003.0,"job":"a1","kind":"submitted","data":{"submission":{'
        b'"request_id":"R1","status":"created","name":"Name"}},"crc":"be178322"}\n'
    ),
    (
        b'{"v":1,"seq":5,"batch":5,"at":1800000004.0,"job":"a1","kind":"cloud_ready","data":{"submission"'
        b':{"request_id":"R1","status":"created","name":"Name"}},"crc":"26aac6cb"}\n'
    ),
    (
        b'{"v":1,"seq":6,"batch":6,"at":1800000005.0,"job":"a1","kind":"published","data":{"publication":'
        b'{"path":"/out/tv/Rel","files":2,"size_bytes":7,"verified":"size"}},"crc":"5bc20758"}\n'
    ),
    (
        b'{"v":1,"seq":7,"batch":7,"at":1800000006.0,"job":"a1","kind":"requeued","data":{"drop":{"id":"d'
        b'3","name":"d3.txt","folder":"/drop","sha256":"ab"}},"crc":"d308c595"}\n'
    ),
    (
        b'{"v":1,"seq":8,"batch":8,"at":1800000007.0,"job":"a1","kind":"submitted","data":{"submission":{'
        b'"request_id":"R1","status":"created","name":"Name"},"adopted":true},"crc":"2c62bc38"}\n'
    ),
    (
        b'{"v":1,"seq":9,"batch":9,"at":1800000008.0,"job":"a1","kind":"cloud_ready","data":{"submission"'
        b':{"request_id":"R1","status":"created","name":"Name"}},"crc":"9ab5a8a9"}\n'
    ),
    (
        b'{"v":1,"seq":10,"batch":10,"at":1800000009.0,"job":"a1","kind":"published","data":{"publication'
        b'":{"path":"/out/tv/Rel (2)","files":2,"size_bytes":7,"verified":"size"}},"crc":"40dd3d37"}\n'
    ),
)

GENERATION = (
    b'{"v":1,"seq":1,"batch":1,"at":1800000009.0,"job":"a1","kind":"job","data":{"link":{"kind":"torr'
    b'ent","key":"btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","url":"magnet:?xt=urn:btih:aaaaaaaaa'
    b'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","name":"Name","line":3},"drops":[{"id":"d1","name":"d1.txt","f'
    b'older":"/drop","sha256":"ab"},{"id":"d2","name":"d2.txt","folder":"/drop","sha256":"ab"},{"id":'
    b'"d3","name":"d3.txt","folder":"/drop","sha256":"ab"}],"destination":{"category":"tv","directory'
    b'":"/out/tv"},"release":"Rel","state":"done","queued_at":1800000000.0,"changed_at":1800000009.0,'
    b'"posted_at":1800000002.0,"doubted_at":1800000007.0,"submission":{"request_id":"R1","status":"cr'
    b'eated","name":"Name"},"publication":{"path":"/out/tv/Rel (2)","files":2,"size_bytes":7,"verifie'
    b'd":"size"},"round":1},"crc":"123b9044"}\n'
)

INFO_HASH = "a" * 40
T0 = 1_800_000_000.0
JOB = Job(
    id="a1",
    link=Link(LinkKind.TORRENT, f"btih:{INFO_HASH}", f"magnet:?xt=urn:btih:{INFO_HASH}", "Name", line=3),
    drops=tuple(Drop(f"d{number}", f"d{number}.txt", "/drop", "ab") for number in (1, 2, 3)),
    destination=Destination("tv", "/out/tv"),
    release="Rel",
    state=JobState.DONE,
    queued_at=T0,
    changed_at=T0 + 9,
    posted_at=T0 + 2,
    doubted_at=T0 + 7,
    submission=Submission("R1", "created", "Name"),
    publication=Publication("/out/tv/Rel (2)", 2, 7, "size"),
    round=1,
)


def test_old_events_fold_to_what_they_meant() -> None:
    """Every record opens in its chain; when it was published is known from the events."""
    chain, translator = Chain.start(JOURNAL_ID, 1, 0), Translator()
    [job] = fold(translator.event(chain.open(line)) for line in EVENTS).values()
    assert (job.published_at, chain.seq) == (T0 + 9, len(EVENTS))
    assert job == replace(JOB, published_at=T0 + 9)


def test_an_old_generation_is_read_and_lives_on() -> None:
    """A job of it does not know when it was published, and can be dropped again like any other."""
    translator = Translator()
    job = translator.job(Chain.start(JOURNAL_ID, 2, 0).open(GENERATION))
    assert job == JOB
    again = evolve(job, DroppedAgain("a1", T0 + 20, Drop("d4", "d4.txt", "/drop")))
    assert again is not None
    assert again.state is JobState.CHECKING

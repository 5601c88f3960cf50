"""One record: its exact bytes, its place in the chain, what is not accepted in its stead."""

import json
import typing

import pytest

from offcloud_watchd.core.events import CategoryMade, Deferred, Queued, Recorded, Submitting
from offcloud_watchd.core.model import Destination, Drop, Job, JobState, Link, LinkKind
from offcloud_watchd.journal.records import (
    DROPS_PER_RECORD,
    EVENT_KINDS,
    BrokenRecord,
    Chain,
    Record,
    Translator,
    later_batch,
    misfit,
    parsed,
)

LINK = Link(LinkKind.URL, "url:https://h.invalid/f", "https://h.invalid/f")
DESTINATION = Destination("tv", "/out/tv")


def chain() -> Chain:
    """Return the chain of some generation at its beginning."""
    return Chain.start("0123456789abcdef", 1, 0)


def lines(*events: Recorded) -> list[bytes]:
    """Return events as the lines of one chain, each a batch of its own."""
    writing, translator = chain(), Translator()
    return [writing.seal(translator.event_record(event, number)) for number, event in enumerate(events, 1)]


THREE = lines(Submitting("a", 1.0), Submitting("b", 2.0), Submitting("c", 3.0))


def test_every_event_has_a_kind() -> None:
    """An event that is added to the model has to get a kind here before it can be recorded."""
    assert set(EVENT_KINDS.values()) == set(typing.get_args(Recorded))


def test_the_bytes_of_a_record_are_fixed() -> None:
    """Journals of this version are read by all later ones: the format must not drift."""
    event = Deferred("0123456789ab", 1800000000.5, 'no "answer" \udcff é', 1800000060.0, charged=False)
    expected = (
        b'{"v":1,"seq":1,"batch":1,"at":1800000000.5,"job":"0123456789ab","kind":"deferred",'
        b'"data":{"reason":"no \\"answer\\" \\udcff \\u00e9","retry_at":1800000060.0,"charged":false},'
        b'"crc":"02285b7f"}\n'
    )
    assert lines(event) == [expected]


def test_a_record_opens_to_what_was_sealed() -> None:
    """The chain lets its own records through, in order, and they mean what they meant."""
    reading, translator = chain(), Translator()
    assert [translator.event(reading.open(line)).job_id for line in THREE] == ["a", "b", "c"]
    assert reading.seq == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (THREE[1], "number 2 where 1 is expected"),
        (THREE[0].replace(b'"a"', b'"z"'), "the checksum does not fit"),
        (THREE[0][:-1], "the line does not end"),
        (THREE[0][:40], "the line does not end"),
        (b"", "zero bytes"),
        (bytes(50), "zero bytes"),
        (b"hello\n", "the line is not a record"),
        (b"\xff\xfe\n", "the line is not a record"),
    ],
)
def test_what_does_not_belong_here_is_refused(line: bytes, reason: str) -> None:
    """A wrong line is named for what it is, and the chain stays where it was."""
    reading = chain()
    with pytest.raises(BrokenRecord) as caught:
        reading.open(line)
    assert reason in str(caught.value)
    assert not caught.value.sealed
    assert reading.open(THREE[0])["job"] == "a"


def test_a_record_of_another_journal_does_not_fit() -> None:
    """The chain begins with the journal's id and generation."""
    for other in (Chain.start("fedcba9876543210", 1, 0), Chain.start("0123456789abcdef", 2, 0)):
        with pytest.raises(BrokenRecord):
            other.open(THREE[0])


def test_a_sealed_line_of_a_wrong_number_is_no_torn_write() -> None:
    """A line that is whole to the last byte and yet wrong was not cut short by anything."""
    writing = chain()
    writing.seq = 6
    line = writing.seal(Translator().event_record(Submitting("a", 1.0), 7))
    with pytest.raises(BrokenRecord) as caught:
        chain().open(line)
    assert caught.value.sealed


def one_by_one(given: list[bytes]) -> tuple[list[Record], str, int]:
    """Open lines by ``open``: the records, why the next one is none, and where the chain stays."""
    reading, records = chain(), []
    try:
        for line in given:
            records.append(reading.open(line))  # noqa: PERF401 - those before the one that is bad are wanted, too
    except BrokenRecord as error:
        return records, f"{error} {error.sealed}", reading.seq
    return records, "", reading.seq


def together(given: list[bytes]) -> tuple[list[Record], str, int]:
    """Open lines by ``opened``; the same is told."""
    reading, records = chain(), []
    try:
        for record in reading.opened(given):
            records.append(record)  # noqa: PERF402 - as above
    except BrokenRecord as error:
        return records, f"{error} {error.sealed}", reading.seq
    return records, "", reading.seq


def sealed(*texts: str) -> list[bytes]:
    """Seal whatever stands behind the batch, record or not."""
    writing = chain()
    return [writing.seal_text(1, text) for text in texts]


@pytest.mark.parametrize(
    "given",
    [
        [],
        THREE,
        THREE[:1],
        THREE[1:],
        [THREE[0], THREE[2]],
        [*THREE, THREE[2]],
        [*THREE[:2], THREE[2][:-1]],
        [*THREE[:2], b"\xff\n"],
        [THREE[0], THREE[1].replace(b'"b"', b'"z"'), THREE[2]],
        sealed('"at":1', '"at":', '"at":1'),
        sealed('"at":1', '"at":1}{"at":1', '"at":1'),
        sealed('"at":1', '"at":1},{"at":1', '"at":1'),
        sealed('"at":1}]', '"at":1'),
        sealed('"at":NaN', '"at":1'),
        sealed('"at":1', '"at":1,"seq":7', '"at":1'),
        sealed('"at":1', '"at":' + "[" * 100_000),
    ],
)
def test_lines_are_opened_together_as_one_by_one(given: list[bytes]) -> None:
    """The same records, the same refusal at the same place, and the chain stands behind the same record."""
    assert together(given) == one_by_one(given)


def test_a_record_counts_when_the_next_one_is_asked_for() -> None:
    """Who finds that it is of no use leaves the chain before it."""
    for given in (THREE, [*THREE[:2], b"x"]):
        reading = chain()
        records = reading.opened(given)
        assert [next(records)["job"], next(records)["job"], reading.seq] == ["a", "b", 1]


def test_what_json_cannot_hold_is_a_bug() -> None:
    """NaN is refused, and the chain did not move."""
    writing = chain()
    with pytest.raises(ValueError, match="JSON"):
        writing.seal(Translator().event_record(Submitting("a", float("nan")), 1))
    assert writing.seal(Translator().event_record(Submitting("a", 1.0), 1)) == THREE[0]


@pytest.mark.parametrize("line", [b"[1]\n", b'{"a":NaN}\n', b"{\n", b"[" * 100_000, "{é}".encode(), b""])
def test_what_is_no_object_parses_to_nothing(line: bytes) -> None:
    """The parser answers None to whatever is not a JSON object, however deep."""
    assert parsed(line) is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"kind": "exploded", "job": "a", "at": 1.0, "data": {}}, "unknown kind 'exploded'"),
        ({"kind": ["queued"], "job": "a", "at": 1.0, "data": {}}, "unknown kind"),
        ({"job": "a", "at": 1.0, "data": {}}, "unknown kind 'None'"),
        (
            {"kind": "submitting", "job": "a", "at": 1.0, "data": []},
            "Submitting: an object is expected as data",
        ),
        ({"kind": "submitting", "job": "a", "at": "x", "data": {}}, "Submitting.at: a number is expected"),
        ({"kind": "deferred", "job": "a", "at": 1.0, "data": {"reason": "r"}}, "Deferred.retry_at: missing"),
    ],
)
def test_an_event_that_is_none_is_named(record: dict[str, object], reason: str) -> None:
    """A record that is sealed but means nothing is an error that names the member."""
    with pytest.raises(BrokenRecord) as caught:
        Translator().event(record)
    assert reason in str(caught.value)
    assert caught.value.sealed


@pytest.mark.parametrize("data", [None, [], {"link": 1}])
def test_a_job_that_is_none_is_refused(data: object) -> None:
    """A snapshot that is no job is an error."""
    with pytest.raises(BrokenRecord):
        Translator().job({"kind": "job", "job": "a", "at": 1.0, "data": data})


def test_a_job_of_many_drops_takes_several_records() -> None:
    """No number of drops makes a line too long."""
    drops = tuple(Drop(str(number), f"{number}.url", "/drop") for number in range(2 * DROPS_PER_RECORD + 1))
    job = Job("j", LINK, drops, DESTINATION, "R", JobState.QUEUED, 1.0, 2.0)
    translator = Translator()
    records = translator.job_records(job, 1)
    assert [record["kind"] for record in records] == ["job", "drops", "drops"]
    assert {record["job"] for record in records} == {"j"}
    first, *more = (json.loads(json.dumps(record)) for record in records)
    read = translator.job(first).drops + sum((translator.drops(record) for record in more), ())
    assert read == drops
    with pytest.raises(BrokenRecord, match="drops: a list is expected"):
        translator.drops({**more[0], "data": {"drops": 7}})


def test_later_batches_are_told_from_the_rest_of_a_torn_one() -> None:
    """Only a record that was written after another sync proves that an earlier one was whole."""
    writing, translator = chain(), Translator()
    of_batch_one = [writing.seal(translator.event_record(Submitting("a", 1.0), 1)) for _ in range(3)]
    assert not later_batch(b"".join(of_batch_one[1:]), 1)
    assert later_batch(b"".join(THREE[1:]), 1)
    assert not later_batch(b"".join(THREE[:1]), 1)
    assert later_batch(bytes(1000) + b"garbage" + THREE[2], 2)
    assert not later_batch(b'{"v":1,"seq":1,"batch":9' + b"0" * 50, 1)


def test_a_queued_event_finds_its_way_through_a_line() -> None:
    """Nested classes survive the line; the job's id and the time stand outside of the data."""
    event = Queued("j", 5.0, LINK, Drop("d", "x.url", "/drop"), DESTINATION, None)
    record = chain().open(lines(event)[0])
    assert "at" not in typing.cast("dict[str, object]", record["data"])
    assert Translator().event(record) == event


def test_a_line_is_checked_against_the_one_before_alone() -> None:
    """Behind a flaw the chain is taken up again from what the next line claims."""
    crc = int(THREE[0][-11:-3], 16)
    assert misfit(THREE[1], crc)[0] == ""
    assert misfit(THREE[1], None)[0] == ""
    assert misfit(THREE[2], crc)[0] == "the checksum does not fit"
    assert misfit(b"x\n", crc) == ("the line is not a record", None)
    assert misfit(THREE[1][:-1], crc) == ("the line is not a record", None)


def test_a_category_is_of_no_job():
    """What is recorded of a category comes back as it was."""
    event = CategoryMade("tv/4k", 5.0)
    record = Translator().event_record(event, 1)
    assert record["job"] == ""
    assert Translator().event(record) == event

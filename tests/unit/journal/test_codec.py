"""Dataclasses to JSON values and back."""

import json
from dataclasses import dataclass
from enum import StrEnum

import pytest

from offcloud_watchd.core.model import Destination, Drop, Job, JobState, Link, LinkKind, Route, Submission
from offcloud_watchd.journal.codec import Codec, WrongMember

DESTINATION = Destination("sonarr", "/srv/downloads/sonarr")
LINK = Link(LinkKind.TORRENT, "btih:0f", "magnet:?xt=urn:btih:0f")
DROP = Drop("d", "a.torrent", "/srv/drop")
JOB = Job("j", LINK, (DROP, DROP), DESTINATION, None, JobState.QUEUED, 1.5, 2.5)


class Colour(StrEnum):
    """An enum of the test's own."""

    RED = "red"


@dataclass(frozen=True, slots=True)
class Shapes:
    """One member of each type."""

    words: tuple[str, ...]
    colours: tuple[Colour, ...] = ()
    colour: Colour | None = None
    size: int = 0
    share: float | None = None


def test_defaults_are_left_out() -> None:
    """What has its default is not written, and members keep the order of the class."""
    assert Codec().encode(LINK) == {"kind": "torrent", "key": "btih:0f", "url": "magnet:?xt=urn:btih:0f"}
    assert list(Codec().encode(JOB)) == [
        "id",
        "link",
        "drops",
        "destination",
        "release",
        "state",
        "queued_at",
        "changed_at",
    ]


def test_encoded_values_are_plain_json() -> None:
    """Enums become texts and tuples lists, so that any JSON writer takes them."""
    value = Codec().encode(Shapes(("a",), (Colour.RED,), Colour.RED, 3, 0.5))
    assert value == {"words": ["a"], "colours": ["red"], "colour": "red", "size": 3, "share": 0.5}
    assert type(value["colour"]) is str


@pytest.mark.parametrize(
    "shapes",
    [Shapes(()), Shapes(("a", "b"), (Colour.RED,), Colour.RED, 3, 0.5), Shapes(("\udcff",), size=-(10**30))],
)
def test_what_was_encoded_is_decoded_again(shapes: Shapes) -> None:
    """Encoding, JSON and decoding give an equal object."""
    codec = Codec()
    assert codec.decode(Shapes, json.loads(json.dumps(codec.encode(shapes)))) == shapes


def test_a_subclass_is_read_back_as_what_was_declared() -> None:
    """A member is written by its declared class: what a subclass adds is not part of the format."""

    @dataclass(frozen=True, slots=True)
    class Wider(Submission):
        created_at: float = 0.0

    codec = Codec()
    job = Job(
        "j", LINK, (DROP,), DESTINATION, None, JobState.CLOUD, 1.0, 1.0, submission=Wider("R", created_at=5.0)
    )
    assert codec.decode(Job, codec.encode(job)).submission == Submission("R")


def test_unknown_members_are_passed_over() -> None:
    """A member of a later version does no harm."""
    value = {"category": "a", "directory": "/b", "colour": {"x": [1]}}
    assert Codec().decode(Destination, value) == Destination("a", "/b")


def test_explicit_null_is_the_default_none() -> None:
    """Null is accepted where None is."""
    assert Codec().decode(Shapes, {"words": [], "colour": None, "share": None}) == Shapes(())


def test_whole_numbers_are_numbers() -> None:
    """JSON of other hands writes 5 for 5.0."""
    decoded = Codec().decode(Shapes, {"words": [], "share": 5}).share
    assert decoded == 5.0
    assert type(decoded) is float


@pytest.mark.parametrize(
    ("cls", "value", "text"),
    [
        (Destination, [], "Destination: an object is expected, this is a list"),
        (Destination, {"category": "a"}, "Destination.directory: missing"),
        (
            Destination,
            {"category": 7, "directory": "/b"},
            "Destination.category: a text is expected, this is a whole",
        ),
        (
            Destination,
            {"category": "a", "directory": "b", "route": "moon"},
            "Destination.route: one of cloud, instant",
        ),
        (
            Destination,
            {"category": "a", "directory": "b", "route": 1},
            "Destination.route: a text is expected",
        ),
        (Shapes, {"words": "abc"}, "Shapes.words: a list is expected, this is a text"),
        (Shapes, {"words": [None]}, "Shapes.words: a text is expected, this is null"),
        (Shapes, {}, "Shapes.words: missing"),
        (
            Shapes,
            {"words": [], "size": True},
            "Shapes.size: a whole number is expected, this is true or false",
        ),
        (Shapes, {"words": [], "size": None}, "Shapes.size: a whole number is expected, this is null"),
        (Shapes, {"words": [], "size": 1.0}, "Shapes.size: a whole number is expected, this is a number"),
        (Shapes, {"words": [], "share": {}}, "Shapes.share: a number is expected, this is an object"),
        (Job, {"id": "j", "link": {"kind": "url", "key": "k", "url": 1}}, "Link.url: a text is expected"),
        (Job, {"id": "j", "link": []}, "Job.link: an object is expected"),
    ],
)
def test_a_wrong_member_is_named(cls: type, value: object, text: str) -> None:
    """The error names class and member and what was expected."""
    with pytest.raises(WrongMember) as caught:
        Codec().decode(cls, value)
    assert text in str(caught.value)


def test_an_error_does_not_show_the_value() -> None:
    """A private link that stands in the wrong place does not get into a message."""
    with pytest.raises(WrongMember) as caught:
        Codec().decode(Destination, {"category": "a", "directory": "b", "route": "https://x.invalid/secret"})
    assert "secret" not in str(caught.value)


def test_a_type_the_format_cannot_hold_is_a_bug() -> None:
    """A member of a type that JSON would change is refused when the class is first met, either way."""

    @dataclass(frozen=True, slots=True)
    class Raw:
        content: bytes

    with pytest.raises(TypeError, match="bytes"):
        Codec().encode(Raw(b""))
    with pytest.raises(TypeError, match="bytes"):
        Codec().decode(Raw, {})


def test_a_choice_of_types_is_a_bug() -> None:
    """Only ``T | None`` can be told apart in JSON."""

    @dataclass(frozen=True, slots=True)
    class Either:
        one: int | str

    with pytest.raises(TypeError, match="int"):
        Codec().encode(Either(1))


def test_shared_values_are_one_object() -> None:
    """Equal destinations and equal texts of the shared members are decoded to the same object."""
    codec = Codec(shared={Destination}, shared_members={"folder"})
    ones = [codec.decode(Job, json.loads(json.dumps(codec.encode(JOB)))) for _ in range(2)]
    assert ones[0].destination is ones[1].destination
    assert ones[0].drops[0].folder is ones[1].drops[1].folder
    assert ones[0].destination == DESTINATION


def test_numbers_are_shared_with_their_like_only() -> None:
    """5 and 5.0 are equal; one in the place of the other would be a record that cannot be read again."""
    codec = Codec(shared_members={"size", "share"})
    decoded = codec.decode(Shapes, {"words": [], "size": 5, "share": 5.0})
    assert (type(decoded.size), type(decoded.share)) == (int, float)


def test_sharing_does_not_remember_for_ever() -> None:
    """Values that stand far apart are equal still, though no longer the same object."""
    codec = Codec(shared={Destination})
    value = codec.encode(Destination("a", "/b", Route.REMOTE))
    first = codec.decode(Destination, dict(value))
    for number in range(3000):
        codec.decode(Destination, {"category": str(number), "directory": "/"})
    later = codec.decode(Destination, dict(value))
    assert later == first
    assert later is not first

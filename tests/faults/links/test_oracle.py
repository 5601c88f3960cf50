"""Our scanner beside Debian's libtorrent: the same hashes always, the same verdict but for argued classes."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

import pytest

from tests.faults.links.mutations import Mutator
from tests.faults.links.oracle import Libtorrent, Verdict, libtorrent, ours, why_absent
from tests.faults.links.seeds import corpus_torrents, own_torrents

SEED_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A class of torrents that one takes and the other refuses; ``refusal`` is the one's word for it.

    Where that word says too little, ``holds`` is a pattern that the torrent must match besides.
    """

    refusal: str
    why: str
    holds: bytes = b""


WE_REFUSE = (
    Difference("symbolic link in it leads nowhere", "an empty part in its path; libtorrent skips it", rb"0:"),
    Difference(
        "two info dictionaries", "programs disagree which one counts: libtorrent the first, others the last"
    ),
    Difference(
        "piece layer does not belong", "libtorrent throws such a layer away; the file is damaged, and says so"
    ),
    Difference("piece layer that belongs to no file", "the same"),
    Difference(
        "files twice; they would overwrite", "libtorrent renames them; the service may not, and files be lost"
    ),
    Difference("has no valid length", "a length beyond 64 bits counts as 0 in libtorrent; here as damage"),
    Difference("parts of a v1 half", "libtorrent gives it a v1 hash that nobody else can serve"),
    Difference(
        "half name different files", "libtorrent compares no names of empty files; another reader might"
    ),
    Difference("the torrent has no name", "a name of NULs only; libtorrent makes up a name"),
    Difference("more than 2097152 pieces", "libtorrent has this limit too, but not on this way in"),
    Difference("holds no bytes", "nothing to fetch; the request would never end"),
    Difference(
        "is not bencoded",
        "a length of more than ten digits; libtorrent reads any leading zeros",
        rb"[0-9]{11,}:",
    ),
    Difference(
        "more files than its v1 half", "libtorrent passes over an empty list of v1 files", rb"5:filesle"
    ),
)
THEY_REFUSE = (
    Difference("invalid or missing 'piece length'", "only v2 needs a power of two", rb"12:meta versioni"),
    Difference(
        "invalid bencoding", "v2 only: keys out of order; the hash over the raw bytes is right all the same"
    ),
    Difference("contains v2 keys but does not specify meta version 2", "the v1 half is whole and enough"),
    Difference("the v2 torrent file has no file tree", "the same"),
    Difference("the torrent file has an unknown meta version", "the same"),
    Difference(
        "missing name in torrent file", "a name of slashes only; names are made safe where files are written"
    ),
    Difference(
        "incorrect number of piece hashes", "an attr beside the one file makes it a link or padding there"
    ),
    Difference("expected value (list, dict, int or string)", "gzip'ed: unpacked here, within a bound"),
)


def classified(left: Verdict, right: Verdict, data: bytes = b"") -> str | None:
    """Return the class of a difference, empty where there is none, None for one that is not argued."""
    if bool(left.refusal) == bool(right.refusal):
        return "" if left.refusal or left == right else None
    known, word = (WE_REFUSE, left.refusal) if left.refusal else (THEY_REFUSE, right.refusal)
    fitting = (one.refusal for one in known if one.refusal in word and re.search(one.holds, data))
    return next(fitting, None)


def compared(oracle: Libtorrent, torrents: Iterable[bytes]) -> Counter[str]:
    """Hold every torrent against the oracle; fail at the first difference that is not argued."""
    classes: Counter[str] = Counter()
    for number, data in enumerate(torrents):
        left, right = ours(data), oracle.of(data)
        kind = classified(left, right, data)
        assert kind is not None, (number, data, left, right)
        classes[kind or ("both refuse" if left.refusal else "both take")] += 1
    return classes


@pytest.fixture(scope="module")
def oracle() -> Iterator[Libtorrent]:
    """Debian's libtorrent; CI must have it."""
    if reason := why_absent():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with libtorrent() as running:
        yield running


def mutated(number: int, seed: int) -> Iterator[bytes]:
    """Make so many torrents out of the corpus and of our own, the same for the same seed."""
    seeds = [*own_torrents(), *corpus_torrents().values()]
    mutator = Mutator([data for data in seeds if len(data) <= SEED_BYTES], Random(seed))
    return (mutator.made() for _ in range(number))


def test_own_torrents_agree(oracle: Libtorrent) -> None:
    """What our makers make is sound in the eyes of libtorrent too, all three kinds."""
    assert compared(oracle, own_torrents()) == {"both take": 4}


def test_corpus_agrees(oracle: Libtorrent) -> None:
    """Every torrent of the corpus: equal hashes; another verdict only where the table says why."""
    torrents = corpus_torrents()
    if not torrents and not os.environ.get("CI"):
        pytest.skip("there is no corpus")
    classes = compared(oracle, torrents.values())
    assert classes["both take"] > 90
    assert sum(classes.values()) - classes["both take"] - classes["both refuse"] <= 6


def test_mutations_agree(oracle: Libtorrent) -> None:
    """2,000 broken torrents: equal hashes, and no difference that is not argued."""
    classes = compared(oracle, mutated(2_000, seed=1))
    assert min(classes["both take"], classes["both refuse"]) > 100


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_mutations_agree(oracle: Libtorrent, seed: int) -> None:
    """100,000 broken torrents, ten thousand a seed."""
    classes = compared(oracle, mutated(10_000, seed))
    print(*(f"{count:6} {kind}" for kind, count in classes.most_common()), sep="\n")
    assert classes["both take"] > 1_000


def test_a_difference_that_is_not_argued_is_seen() -> None:
    """The comparison itself: other hashes and unknown reasons are no class of the table."""
    taken, refused = Verdict(v1="a"), Verdict("no word for it")
    assert classified(taken, Verdict(v1="b")) is None
    assert classified(taken, Verdict(v1="a", private=True)) is None
    assert classified(taken, refused) is None
    assert classified(refused, taken) is None
    assert classified(Verdict("byte 3 is not bencoded"), taken, b"d1:xe") is None
    assert classified(refused, Verdict("other")) == classified(taken, taken) == ""
    assert (
        classified(Verdict("the torrent has two info dictionaries; programs"), taken)
        == "two info dictionaries"
    )


def test_every_class_says_why() -> None:
    """No class of the table stands without its reason, or twice."""
    words = [one.refusal for one in (*WE_REFUSE, *THEY_REFUSE)]
    assert len(set(words)) == len(words)
    assert all(re.search(r"\w{2}", one.why) for one in (*WE_REFUSE, *THEY_REFUSE))

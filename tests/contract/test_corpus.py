"""The shared corpus of torrents, magnets and text files: every `must` case, and most `should` ones.

The corpus stands beside the project (``../shared/corpus``) or where ``OFFCLOUD_WATCHD_CORPUS`` says.
"""

import base64
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from offcloud_watchd.core.links import Metainfo, info_hashes, parse, parse_link, parse_torrent
from offcloud_watchd.core.model import Link, LinkKind, Links
from offcloud_watchd.errors import BadDrop

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("OFFCLOUD_WATCHD_CORPUS") or PROJECT.parent / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"

Case = dict[str, Any]


@cache
def manifest() -> dict[str, list[Case]]:
    """Read the manifest once; empty where the corpus is absent."""
    if not MANIFEST.is_file():
        return {"torrents": [], "magnets": [], "text": []}
    loaded: dict[str, list[Case]] = json.loads(MANIFEST.read_text("utf-8"))
    return loaded


def cases(part: str, name: str) -> Any:
    """Make one test of each case, named after its file or id."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case[name]) for case in manifest()[part]])


def test_corpus_is_there() -> None:
    """The corpus is present, so the tests below did run; only outside of CI may it be absent."""
    if MANIFEST.is_file():
        assert all(manifest()[part] for part in ("torrents", "magnets", "text"))
    elif os.environ.get("CI"):
        pytest.fail(f"no corpus at {CORPUS}; set OFFCLOUD_WATCHD_CORPUS")
    else:
        pytest.skip(f"no corpus at {CORPUS}; set OFFCLOUD_WATCHD_CORPUS to run these tests")


def right_hashes(case: Case, link: Link) -> bool:
    """Tell whether the hashes are those of the case."""
    v1 = case.get("v1_any") or [case.get("v1")]
    return link.info_hash_v1 in v1 and link.info_hash_v2 == case.get("v2")


# Cases in which another result than the preferred one is chosen on purpose, with the reason.
OTHERWISE = {
    "torrents/gzip.torrent": "unpacked within a bound, which the corpus welcomes",
    "torrents/arvidn-v2_overlong_integer.torrent": "a leading zero in an integer: the hash is right anyway",
}


def taken(case: Case, links: Links | BadDrop) -> Link | None:
    """Return the one link of an accepted case; check that refusals and hashes are as demanded."""
    name = case.get("file") or case["id"]
    accepted = isinstance(links, Links)
    if case["level"] == "must" or name not in OTHERWISE:
        assert accepted == (case["expect"] == "accept"), links
    if isinstance(links, BadDrop):
        return None
    assert len(links.found) == 1
    assert right_hashes(case, links.found[0])
    return links.found[0]


def attempt(name: str, data: bytes) -> Links | BadDrop:
    """Parse, and return the refusal instead of raising it."""
    try:
        return parse(name, data)
    except BadDrop as error:
        return error


@cases("torrents", "file")
def test_torrent(case: Case) -> None:
    """A torrent of the corpus is taken or refused as demanded, with the hash, name and addresses demanded."""
    data = (CORPUS / case["file"]).read_bytes()
    link = taken(case, attempt(Path(case["file"]).name, data))
    if link is None or case["kind"] == "none":
        return
    assert link.key == (f"btih:{case['v1']}" if case["v1"] else f"btmh:{case['v2']}")
    try:
        told = parse_torrent(data)
    except BadDrop:  # a magnet under the name of a torrent
        return
    check_metainfo(case, told, link)


def check_metainfo(case: Case, told: Metainfo, link: Link) -> None:
    """Hold what a torrent says against the manifest."""
    if case.get("private") is not None:
        assert told.private is link.private is case["private"]
    if case.get("unsafe_name") is False:
        assert told.name in (case["name"], case.get("name_alt"))
    whole = [file for file in told.files if not file.pad]
    if case.get("files") is not None:
        assert len(whole) in (case["files"], *case.get("files_alt", []))
    if case.get("size") is not None:
        assert link.size_bytes in (case["size"], *case.get("size_alt", []))
    sent = parse_qs(urlsplit(link.url).query)
    if case.get("trackers") is not None:
        assert set(told.trackers) in (set(case["trackers"]), {*case["trackers"], case.get("announce")})
        assert set(sent.get("tr", [])) == set(told.trackers)
    assert set(told.web_seeds) == set(case.get("web_seeds") or [])
    assert set(told.http_seeds) == set(case.get("http_seeds") or [])
    assert set(sent.get("ws", [])) == {*told.web_seeds, *told.http_seeds}


@cases("magnets", "id")
def test_magnet(case: Case) -> None:
    """A magnet of the corpus is taken or refused as demanded, typed or from a file, and keeps its parts."""
    raw = base64.b64decode(case["uri_base64"]) if "uri_base64" in case else case["uri"].encode()
    link = taken(case, attempt("x.magnet", raw))
    try:
        typed: Link | None = parse_link(raw.decode("utf-8", "surrogateescape"))
    except BadDrop:
        typed = None
    assert (None if typed is None else typed.key) == (None if link is None else link.key)
    if link is None:
        return
    assert link.key in info_hashes(case.get("uri", "")) or "uri_base64" in case
    if case.get("name") is not None:
        assert link.name == case["name"]
    sent = parse_qs(urlsplit(link.url).query)
    if "trackers" in case or "trackers_alt" in case:
        assert set(sent.get("tr", [])) in (set(case.get("trackers", [])), set(case.get("trackers_alt", [])))
    for field, parameter in (("web_seeds", "ws"), ("peers", "x.pe"), ("xs", "xs")):
        if field in case:
            assert sent[parameter] == case[field]
    if "select_only" in case:
        assert ",".join(sent["so"]) == case["select_only"]


@cases("text", "file")
def test_text(case: Case) -> None:
    """A text file of the corpus gives the items, repeats and bad lines demanded, by their line numbers."""
    links = attempt(Path(case["file"]).name, (CORPUS / case["file"]).read_bytes())
    if case["outcome"] == "reject":
        assert isinstance(links, BadDrop)
        for entry in case["rejected"]:
            assert entry["line"] is None or f"line {entry['line']}:" in str(links)
        return
    assert isinstance(links, Links), links
    for secret in case.get("secrets", []):
        assert all(secret not in bad.reason for bad in links.bad)
    if "items_digest" in case:
        check_digests(case, links)
        return
    check_items(case, links)
    assert list(links.duplicate_lines) == case["duplicates"]
    wrong = {bad.line for bad in links.bad}
    assert {entry["line"] for entry in case["rejected"] if not entry.get("optional")} <= wrong
    assert wrong <= {entry["line"] for entry in case["rejected"]}


def check_items(case: Case, links: Links) -> None:
    """Hold the links against the items of the manifest, in order; optional ones may be absent."""
    found = list(links.found)
    for item in case["items"]:
        if item.get("optional") and (not found or not same_item(item, found[0])):
            continue
        assert found, item
        assert same_item(item, found.pop(0))
    assert not found


def same_item(item: Case, link: Link) -> bool:
    """Tell whether a link is what an item of the manifest says."""
    if item.get("line") not in (None, link.line):
        return False
    if item["kind"] == "url":
        spellings = {item["value"], *item.get("alt", [])}
        return link.kind is LinkKind.URL and link.url in spellings and link.key == f"url:{link.url}"
    trackers = len(parse_qs(urlsplit(link.url).query).get("tr", []))
    named = item.get("name") is None or link.name == item["name"]
    tracked = item.get("trackers") in (None, trackers)
    return link.key == item["key"] and right_hashes(item, link) and named and tracked


def check_digests(case: Case, links: Links) -> None:
    """Hold a list too long to be written out against its counts and digests."""
    keys = "".join(f"{link.key}\n" for link in links.found)
    assert len(links.found) == case["items_count"]
    assert hashlib.sha256(keys.encode()).hexdigest() == case["items_digest"]
    assert len(links.duplicate_lines) == case["duplicates_count"]
    lines = "".join(f"{bad.line}\n" for bad in links.bad)
    assert len(links.bad) == case["rejected_count"]
    assert hashlib.sha256(lines.encode()).hexdigest() == case["rejected_lines_digest"]
    assert all(any(same_item(item, link) for link in links.found) for item in case["items_sample"])

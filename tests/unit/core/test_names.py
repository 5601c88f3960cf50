"""Names from outside become safe local ones, case by case."""

import pytest

from offcloud_watchd.core.names import (
    MAX_DEPTH,
    arranged,
    numbered,
    release_name,
    safe_component,
    safe_path,
    shared_root,
)

HASH = "0123456789abcdef0123456789ABCDEF01234567"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Some.Film.2020.mkv", "Some.Film.2020.mkv"),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        ("  ", "_"),
        (" .. ", "_"),
        ("\u200b", "_"),
        (".hidden", "_.hidden"),
        ("...", "_..."),
        ("-rf", "_-rf"),
        ("a/b\\c", "abc"),
        ("a\x00\x1f\x7f\x85\nb", "ab"),
        ("\u202eexe.mp4", "exe.mp4"),
        ("\ufeffbom\u2066\u061c", "bom"),
        ("e\u0301", "\u00e9"),
        ("bad\udc80byte", "bad\ufffdbyte"),
        ("CON", "CON"),
        ("~", "~"),
        ("%2e%2e", "%2e%2e"),
        ("x" * 241, "x" * 240),
        ("x" * 300 + ".mkv", "x" * 236 + ".mkv"),
        ("\u00e9" * 130 + ".mkv", "\u00e9" * 118 + ".mkv"),
        ("x" * 300 + ".not an extension", "x" * 240),
        ("x" * 300 + ".toolongforone", "x" * 240),
    ],
)
def test_one_component(text: str, safe: str) -> None:
    """Controls, separators and disguises go; what means something to a shell or the system is guarded."""
    assert safe_component(text) == safe


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("a/b/c.mkv", ("a", "b", "c.mkv")),
        ("../../x", ("x",)),
        ("/etc/passwd", ("etc", "passwd")),
        ("a//./b/", ("a", "b")),
        ("", ("_",)),
        ("..", ("_",)),
        ("/".join("d" * 40) + "/f", (*("d",) * (MAX_DEPTH - 1), "f")),
        ("/".join(["x" * 240] * 6) + "/f", (*("x" * 240,) * 4, "f")),
        ("C:\\dir\\f", ("C:dirf",)),
    ],
)
def test_a_path(path: str, safe: tuple[str, ...]) -> None:
    """A path stays below its root, and its name is the last thing it loses."""
    assert safe_path(path) == safe


@pytest.mark.parametrize(
    ("candidates", "name"),
    [
        (["Some.Release-GRP"], "Some.Release-GRP"),
        (["Cafe\u0301 "], "Cafe\u0301 "),
        ([None, "", "  ", "_", "Second"], "Second"),
        ([".hidden"], "_.hidden"),
        (["_UNPACK_Name"], "Name"),
        (["_failed__UNPACK_.Name"], "_.Name"),
        (["_UNPACK_", "Other"], "Other"),
        ([HASH, "Name"], "Name"),
        ([HASH], f"release {HASH}"),
        (["A" * 32, "Name"], "Name"),
        (["a" * 64, "Name"], "Name"),
        (["c0ffee", "Name"], "Name"),
        (["C0FFEE"], "release C0FFEE"),
        (["Cache", "lost+found", "$RECYCLE.BIN", "Name"], "Name"),
        ([None], "release"),
        (["x" * 300], "x" * 255),
        (["\u00e9" * 200], "\u00e9" * 127),
    ],
)
def test_a_release(candidates: list[str | None], name: str) -> None:
    """The first name that people and *arr tools can use is kept byte for byte."""
    assert release_name(candidates, forbidden={"c0ffee"}) == name


def test_a_taken_name_gets_a_number() -> None:
    """The number stands behind the name and fits."""
    assert numbered("Name", 1) == "Name"
    assert numbered("Name", 2) == "Name (2)"
    assert numbered("x" * 255, 12) == "x" * 250 + " (12)"


@pytest.mark.parametrize(
    ("paths", "laid_out"),
    [
        ([], ()),
        (["Root/a", "Root/b/c"], (("a",), ("b", "c"))),
        (["a", "b"], (("a",), ("b",))),
        (["Root/a", "b"], (("Root", "a"), ("b",))),
        (["One/a", "Two/a"], (("One", "a"), ("Two", "a"))),
        (["BDMV/index.bdmv", "BDMV/x"], (("BDMV", "index.bdmv"), ("BDMV", "x"))),
        (["R/a.mkv", "R/a.mkv", "R/A.MKV"], (("a.mkv",), ("a (2).mkv",), ("A (3).MKV",))),
        (["R/a", "R/a (2)", "R/a"], (("a",), ("a (2)",), ("a (3)",))),
        (["R/e\u0301", "R/\u00e9"], (("\u00e9",), ("\u00e9 (2)",))),
        (["R/a", "R/a/b"], (("a (2)",), ("a", "b"))),
        (["R/stra\u00dfe", "R/STRASSE"], (("stra\u00dfe",), ("STRASSE (2)",))),
        (["x" * 240, "x" * 240], (("x" * 240,), ("x" * 236 + " (2)",))),
    ],
)
def test_a_release_is_laid_out(paths: list[str], laid_out: tuple[tuple[str, ...], ...]) -> None:
    """A shared folder goes, equal names are told apart, and no file takes the place of a folder."""
    assert arranged(paths) == laid_out


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["Root/a", "/Root/b/c"], "Root"),
        (["Root/a", "Other/b"], None),
        (["Root/a", "Root"], None),
        (["a"], None),
        ([], None),
    ],
)
def test_the_folder_all_files_share(paths: list[str], root: str | None) -> None:
    """It may name the release."""
    assert shared_root(paths) == root

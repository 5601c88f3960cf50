"""What the log shows, and what it must never show."""

import io
import json
import logging
import subprocess
import sys

import pytest

from offcloud_watchd import logs

KEY = "k3y-of-the-account-0123456789"


@pytest.fixture
def logged():
    """Configure logging on a stream, hand over a function that logs and returns what came out."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def configure(
        style: str = "text", env: dict[str, str] | None = None, level: str = "debug"
    ) -> io.StringIO:
        logs.configure(level=level, style=style, env=env or {}, secrets=lambda: [KEY, ""], stream=stream)
        return stream

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)


def test_text_has_time_level_and_message(logged):
    """A terminal's line tells when, how bad, what."""
    stream = logged()
    logging.getLogger("x").warning("job %s: late", "abc")
    line = stream.getvalue()
    assert line.endswith("WARNING job abc: late\n")
    assert line[:2] == "20"


def test_level_is_honoured(logged):
    """What is below the level does not come out."""
    stream = logged(level="warning")
    logging.getLogger("x").info("quiet")
    assert stream.getvalue() == ""


def test_the_key_never_comes_out(logged):
    """Neither the text, its arguments nor a traceback shows the key."""
    stream = logged()
    try:
        raise ValueError(f"https://api.invalid/cloud?key={KEY}")
    except ValueError:
        logging.getLogger("x").exception("tried %s", f"with {KEY}")
    text = stream.getvalue()
    assert KEY not in text
    assert "ValueError" in text
    assert "[secret]" in text


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/cloud?key=abcdefgh12345 failed",
        "GET /x?a=1&apikey=abcdefgh12345",
        "Authorization: Bearer abcdefgh12345",
    ],
)
def test_keys_are_known_by_their_place(logged, text):
    """A key that is not (or no longer) ours is known by where it stands."""
    stream = logged()
    logging.getLogger("x").error("%s", text)
    assert "abcdefgh12345" not in stream.getvalue()


def test_control_characters_are_escaped(logged):
    """A name from outside can neither forge a priority nor steer a terminal nor turn the text around."""
    stream = logged()
    logging.getLogger("x").info("took %r and %s", "a", "b\x1b[2Jc\rd\u202ee")
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "b\\x1b[2Jc\\x0dd\\x202ee" in text


def test_a_name_cannot_forge_a_line(logged):
    """A line end from outside is escaped in the text and set in, with what follows it, in a traceback."""
    stream = logged()
    forged = "a\n2026-01-01 00:00:00,000 ERROR the disk is on fire"
    logging.getLogger("x").info("took %s", forged)
    try:
        raise ValueError(forged)
    except ValueError:
        logging.getLogger("x").exception("not taken")
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("took a\\x0a2026-01-01 00:00:00,000 ERROR the disk is on fire")
    assert lines[1].endswith("not taken")
    assert len(lines) > 4
    assert all(line.startswith("  ") for line in lines[2:])


def test_lone_surrogates_can_be_written(logged):
    """A name that is not UTF-8 does not break the log."""
    stream = logged()
    logging.getLogger("x").info("took %s", "na\udcefve")
    stream.getvalue().encode("utf-8")


def test_json_is_one_object_a_line(logged):
    """The JSON form holds the traceback as a member, redacted too."""
    stream = logged("json")
    try:
        raise ValueError(KEY)
    except ValueError:
        logging.getLogger("x").exception("two\nlines")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    entry = json.loads(lines[0])
    assert entry["level"] == "error"
    assert entry["message"] == "two\nlines"
    assert "ValueError: [secret]" in entry["traceback"]


def with_library(library: str, does: str) -> subprocess.CompletedProcess[str]:
    """Log under a service manager, in a process where ``import systemd`` finds what ``library`` says."""
    script = f"""
import logging, sys, types
sys.modules["systemd"] = {library}
from offcloud_watchd import logs
logs.configure(level="info", style="auto", env={{"JOURNAL_STREAM": "8:1"}}, secrets=list)
{does}
"""
    return subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )


def test_priorities_without_journalds_library():
    """Where it is not installed each line carries its priority, a traceback's lines too."""
    does = """
try:
    raise ValueError("two lines")
except ValueError:
    logging.getLogger("x").exception("bad")
"""
    lines = with_library("None", does).stderr.splitlines()
    assert lines[0] == "<3>bad"
    assert len(lines) > 3
    assert all(line.startswith("<3>  ") for line in lines[1:])


def test_another_package_of_the_same_name_is_not_journalds_library():
    """What carries the name ``systemd`` but cannot send is passed over."""
    ended = with_library("types.SimpleNamespace(journal=object())", 'logging.getLogger("x").info("fine")')
    assert ended.stderr == "<6>fine\n"


def test_with_journalds_library_records_go_there():
    """Nothing is written to the stream then, or every record would be there twice."""
    send = "lambda message, **fields: print(message, fields['PRIORITY'])"
    library = f"types.SimpleNamespace(journal=types.SimpleNamespace(send={send}))"
    ended = with_library(library, 'logging.getLogger("x").warning("careful")')
    assert (ended.stdout, ended.stderr) == ("careful 4\n", "")


def test_journald_fields():
    """Journald gets a redacted message and fields to filter by, and nothing of the arguments."""
    sent: list[tuple[str, dict[str, object]]] = []
    redact = logs.Redaction(lambda: [KEY])
    handler = logs.JournalHandler(lambda message, **fields: sent.append((message, fields)), redact)
    record = logging.LogRecord("room", logging.WARNING, "f", 1, "with %s", (KEY,), None)
    handler.handle(record)
    (message, fields) = sent[0]
    assert message == "with [secret]"
    assert fields["PRIORITY"] == 4
    assert fields["LOGGER"] == "room"
    assert KEY not in str(fields)


def test_what_a_record_is_about_becomes_fields(logged):
    """Job, category, request and lane can be filtered by; they are redacted, in one line, and never empty."""
    sent: list[dict[str, object]] = []
    handler = logs.JournalHandler(
        lambda _message, **fields: sent.append(fields), logs.Redaction(lambda: [KEY])
    )
    about = {"job": "404434ba1fbc", "category": f"tv\n{KEY}", "request": None, "lane": "", "args_of_mine": 1}
    logger = logging.getLogger("room")
    record = logger.makeRecord("room", logging.INFO, "f.py", 7, "taken", (), None, "take", about)
    handler.handle(record)
    assert (sent[0]["JOB"], sent[0]["CATEGORY"]) == ("404434ba1fbc", "tv\\x0a[secret]")
    assert not {"REQUEST", "LANE", "ARGS_OF_MINE"} & sent[0].keys()
    assert (sent[0]["CODE_FILE"], sent[0]["CODE_LINE"], sent[0]["CODE_FUNC"]) == ("f.py", 7, "take")
    stream = logged("json")
    logger.info("taken", extra=about)
    entry = json.loads(stream.getvalue())
    assert (entry["job"], entry["category"]) == ("404434ba1fbc", "tv\n[secret]")
    assert "lane" not in entry


def test_text_says_nothing_of_fields(logged):
    """A line for people is its message: what it is about stands in it already."""
    stream = logged()
    logging.getLogger("x").info("job 1: taken", extra={"job": "1", "lane": "disk"})
    assert stream.getvalue().endswith(" job 1: taken\n")


def test_journald_that_fails_does_not_raise(capsys):
    """A journal socket that is gone is reported the way logging does it."""

    def gone(_message: str, **_fields: object) -> None:
        raise OSError("no socket")

    handler = logs.JournalHandler(gone, logs.Redaction(list))
    handler.handle(logging.LogRecord("room", logging.WARNING, "f", 1, "x", (), None))
    assert "no socket" in capsys.readouterr().err

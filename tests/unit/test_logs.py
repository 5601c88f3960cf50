"""What the log shows, and what it must never show."""

import io
import json
import logging

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


def test_priorities_under_a_service_manager(logged):
    """Without journald's library each line carries its priority, a traceback's lines too."""
    stream = logged("auto", {"JOURNAL_STREAM": "8:1"})
    if logs.journal_send() is not None:
        assert stream.getvalue() == ""
        return
    logging.getLogger("x").error("bad")
    assert stream.getvalue() == "<3>bad\n"


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


def test_journald_that_fails_does_not_raise(capsys):
    """A journal socket that is gone is reported the way logging does it."""

    def gone(_message: str, **_fields: object) -> None:
        raise OSError("no socket")

    handler = logs.JournalHandler(gone, logs.Redaction(list))
    handler.handle(logging.LogRecord("room", logging.WARNING, "f", 1, "x", (), None))
    assert "no socket" in capsys.readouterr().err

"""The pictures in the documents are made from the code; here they are held equal."""

from pathlib import Path

from offcloud_watchd.core.lifecycle import life_diagram

ROOT = Path(__file__).parents[2]


def test_life_diagram_is_the_table():
    """ARCHITECTURE.md draws exactly the transitions that the table holds."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    drawn = text.partition("<!-- life: begin -->\n```mermaid\n")[2].partition("```\n<!-- life: end -->")[0]
    assert drawn == life_diagram(), f"put this between the marks:\n{life_diagram()}"


def test_every_room_is_described():
    """Whoever opens a file finds its room on the page."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [path for path in (ROOT / "offcloud_watchd").iterdir() if not path.name.startswith("_")]
    core = [path for path in (ROOT / "offcloud_watchd" / "core").iterdir() if not path.name.startswith("_")]
    missing = [path.name for path in (*rooms, *core) if path.name not in text]
    assert not missing

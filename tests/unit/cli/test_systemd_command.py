"""``systemd paths``: what the unit is told, in words that systemd reads as they were meant."""

from pathlib import Path

import pytest

from tests.unit.cli.place import Place

HEAD = (
    (
        "# What the service may write to. Made by `offcloud-watchd systemd paths`: "
        "make it anew when a path is new."
    ),
    "[Service]",
)


def drop_in(place: Place, config: str) -> list[str]:
    """Return the lines that were printed for a configuration, without the head."""
    place.config.write_text(config)
    ended = place.run("systemd", "paths")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert tuple(lines[:2]) == HEAD
    return lines[2:]


def test_what_is_taken_from_and_published_to_is_opened(place: Place) -> None:
    """Drop folders, the output and the parent of an output of its own; each may be missing."""
    config = """
offcloud: {api_key_file: /etc/offcloud-watchd/api-key}
output_dir: /srv/downloads
state_dir: /var/lib/offcloud-watchd
folders: [{path: /srv/drop/tv, category: tv}, {path: /srv/drop/films, output: /data/media/films}]
"""
    assert drop_in(place, config) == [
        "ReadWritePaths=-/data/media",
        "ReadWritePaths=-/srv/downloads",
        "ReadWritePaths=-/srv/drop/films",
        "ReadWritePaths=-/srv/drop/tv",
    ]


def test_only_the_outermost_directory_is_named(place: Place) -> None:
    """Each named directory is a mount of its own, and a release is published by a rename within one."""
    config = """
offcloud: {api_key_env: KEY}
output_dir: /data/media
state_dir: /data/media-state
folders: [{path: /srv/drop/tv, output: /data/media/shows/tv}, {path: /srv/drop/tv2, category: tv2}]
"""
    assert drop_in(place, config) == [
        "ReadWritePaths=-/data/media",
        "ReadWritePaths=-/data/media-state",
        "ReadWritePaths=-/srv/drop/tv",
        "ReadWritePaths=-/srv/drop/tv2",
    ]


def test_what_the_unit_hides_is_bound_in(place: Place) -> None:
    """A directory in a home is let in alone; the homes around it stay hidden, temporary directories too."""
    config = """
offcloud: {api_key_env: KEY}
output_dir: /home/anna/releases
state_dir: /var/lib/offcloud-watchd/accounts/anna
folders: [{path: /var/tmp/drop, category: tv}]
"""
    assert drop_in(place, config) == [
        "ProtectHome=tmpfs",
        "BindPaths=-/home/anna/releases",
        "BindPaths=-/var/tmp/drop",
    ]


def test_only_temporary_directories_leave_the_homes_shut(place: Place) -> None:
    """Nothing more is opened than is needed."""
    config = """
offcloud: {api_key_env: KEY}
output_dir: /srv/downloads
folders: [{path: /tmp/drop, category: tv}]
"""
    assert drop_in(place, config) == ["ReadWritePaths=-/srv/downloads", "BindPaths=-/tmp/drop"]


def test_names_are_written_as_systemd_reads_them(place: Place) -> None:
    """Per cent signs, blanks, quotes, backslashes and colons stay what they are."""
    config = """
offcloud: {api_key_file: /srv/100% mine/key}
output_dir: /srv/100%
folders:
  - {path: /srv/my drop, category: a}
  - {path: '/srv/a"b', category: b}
  - {path: '/srv/a\\b', category: c}
  - {path: '/tmp/a:b', category: d}
"""
    assert drop_in(place, config) == [
        "ReadWritePaths=-/srv/100%%",
        'ReadWritePaths="-/srv/a\\"b"',
        'ReadWritePaths="-/srv/a\\\\b"',
        'ReadWritePaths="-/srv/my drop"',
        'BindPaths="-/tmp/a:b"',
        "LoadCredential=offcloud-api-key:/srv/100%% mine/key",
    ]


@pytest.mark.parametrize(
    ("key_file", "named"),
    [
        ("/etc/offcloud-watchd/api-key", False),
        ("/etc/offcloud-watchd/accounts/anna/api-key", False),
        ("/etc/offcloud-watchd/other-key", True),
        ("/root/api-key", True),
    ],
)
def test_a_key_elsewhere_is_named(place: Place, key_file: str, *, named: bool) -> None:
    """The units know where a key usually lies; of another place they must be told."""
    config = f"""
offcloud: {{api_key_file: {key_file}}}
output_dir: /srv/downloads
folders: [{{path: /srv/drop, category: tv}}]
"""
    line = f"LoadCredential=offcloud-api-key:{key_file}"
    assert (line in drop_in(place, config)) is named


def test_a_login_needs_its_password_and_no_key(place: Place) -> None:
    """The unit forgets the key it would wait for."""
    config = """
offcloud: {auth: login, username: a@b.c, password_file: /root/password}
output_dir: /srv/downloads
folders: [{path: /srv/drop, category: tv}]
"""
    lines = drop_in(place, config)
    assert lines[-2:] == ["LoadCredential=", "LoadCredential=offcloud-password:/root/password"]


def test_symbolic_links_are_followed(place: Place, tmp_path: Path) -> None:
    """The service's view is made from what the kernel sees: a link's target is what must be opened."""
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    config = f"""
offcloud: {{api_key_env: KEY}}
output_dir: /srv/downloads
folders: [{{path: {tmp_path / "link"}, category: tv}}]
"""
    assert f"-{target}" in drop_in(place, config)[-1]


def test_a_name_that_no_unit_file_can_hold_is_refused(place: Place, tmp_path: Path) -> None:
    """A line end in a name, here behind a link, would begin a setting of its own."""
    (tmp_path / "link").symlink_to("/srv/a\nUser=root")
    place.config.write_text(
        f"offcloud: {{api_key_env: KEY}}\noutput_dir: {tmp_path / 'link'}\n"
        "folders: [{path: /srv/drop, category: tv}]\n"
    )
    ended = place.run("systemd", "paths")
    assert (ended.code, ended.out) == (1, "")
    assert "/srv/a\\x0aUser=root: a unit file cannot hold this name" in ended.err

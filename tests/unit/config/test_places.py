"""Places that cannot live together are refused, by name at once and by the disk where names do not tell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from offcloud_watchd.config import Config, check_places, load
from offcloud_watchd.errors import ConfigError
from offcloud_watchd.key import KeySource


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a good key file."""
    path = tmp_path / "api-key"
    path.touch(mode=0o600)
    path.write_text("the-key\n")
    return path


def made(tmp_path: Path, text: str) -> Config:
    """Load settings with these places."""
    path = tmp_path / "config.yaml"
    path.write_text(f"offcloud: {{api_key_file: {tmp_path}/api-key}}\nstate_dir: {tmp_path}/state\n{text}")
    return load(path, {})


def refused_by_name(tmp_path: Path, text: str) -> list[str]:
    """Return what `load` says."""
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, text)
    return caught.value.problems


def refused_by_disk(config: Config, env: dict[str, str] | None = None) -> list[str]:
    """Return what `check_places` says."""
    with pytest.raises(ConfigError) as caught:
        check_places(config, env or {})
    return caught.value.problems


def test_fault_111_output_inside_a_drop_folder(tmp_path: Path) -> None:
    """Fault 111: a release must never be taken for a drop; both paths are named."""
    assert refused_by_name(tmp_path, "output_dir: /srv/drop/out\nfolders: [{path: /srv/drop}]\n") == [
        "config.yaml:3:13: output_dir: /srv/drop/out lies inside the drop folder /srv/drop; keep them apart"
    ]


def test_fault_111_a_drop_folder_inside_the_output(tmp_path: Path) -> None:
    """Fault 111: nor may drops lie where releases are published."""
    (problem,) = refused_by_name(tmp_path, "output_dir: /srv\nfolders: [{path: /srv/drop}]\n")
    assert problem.startswith("config.yaml:4:18: folders[0].path: ")
    assert "the drop folder /srv/drop lies inside output_dir, /srv;" in problem


def test_fault_111_a_folders_own_output_and_the_state(tmp_path: Path) -> None:
    """Fault 111: the same for a folder's own output and for the state directory, equal paths included."""
    text = (
        f"output_dir: /o\nfolders: [{{path: /a, output: /b/x}}, {{path: /b}}, {{path: {tmp_path}/state}}]\n"
    )
    first, second = refused_by_name(tmp_path, text)
    assert "folders[0].output: /b/x lies inside the drop folder /b" in first or first in second
    assert f"folders[2].path: the drop folder {tmp_path}/state lies inside state_dir" in second


def test_fault_111_the_same_folder_twice(tmp_path: Path) -> None:
    """Fault 111: one folder, one entry, however the path is spelt."""
    (problem,) = refused_by_name(tmp_path, "output_dir: /o\nfolders: [{path: /a/b}, {path: /a/./c/../b/}]\n")
    assert problem == (
        "config.yaml:4:32: folders[1].path: /a/b is the same folder as /a/b; each is watched once"
    )


@pytest.mark.parametrize(
    ("outer", "inner", "allowed"),
    [
        ("{path: /a, category: x}", "{path: /a/b, category: y}", True),
        ("{path: /a, category: x}", "{path: /ab, category: y}", True),
        ("{path: /a, category: x, subfolders: category}", "{path: /a/b, category: y}", False),
        ("{path: /a, category: x}", "{path: /a/processed, category: y}", False),
        ("{path: /a, category: x}", "{path: /a/failed/b, category: y}", False),
        ("{path: /a, category: x}", "{path: /b/a, category: y, subfolders: category}", True),
    ],
)
def test_fault_111_nested_drop_folders(tmp_path: Path, outer: str, inner: str, *, allowed: bool) -> None:
    """Fault 111: a folder inside another is fine while the outer one does not look into it."""
    for folders in (f"[{outer}, {inner}]", f"[{inner}, {outer}]"):
        text = f"output_dir: /o\nfolders: {folders}\n"
        if allowed:
            made(tmp_path, text)
        else:
            (problem,) = refused_by_name(tmp_path, text)
            assert "belongs to the drop folder /a already" in problem


def test_one_category_has_one_output(tmp_path: Path) -> None:
    """Jobs of one category are joined, so they must go to one place."""
    text = "output_dir: /o\nfolders: [{path: /a, category: tv}, {path: /b, category: tv, output: /x}]\n"
    assert refused_by_name(tmp_path, text) == [
        "config.yaml:4:44: folders[1].path: category tv goes to /x here, to /o/tv above; it has one output"
    ]
    made(tmp_path, text.replace("/x", "/o/tv"))


def test_nothing_needs_to_exist_but_the_key(tmp_path: Path, key: Path) -> None:
    """Folders may be mounted later; nothing is created by looking."""
    before = sorted(tmp_path.iterdir())
    check_places(made(tmp_path, f"output_dir: {tmp_path}/out\nfolders: [{{path: {tmp_path}/drop}}]\n"), {})
    assert set(tmp_path.iterdir()) - set(before) == {tmp_path / "config.yaml"}


def test_fault_111_the_same_folder_through_a_symbolic_link(tmp_path: Path, key: Path) -> None:
    """Fault 111: two names of one folder are found on the disk."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "link").symlink_to("drop")
    config = made(tmp_path, f"output_dir: {tmp_path}/out\nfolders: [{{path: drop}}, {{path: link}}]\n")
    (problem,) = refused_by_disk(config)
    assert f"{tmp_path}/link is the same folder as {tmp_path}/drop" in problem


def test_fault_111_output_inside_a_drop_folder_through_a_symbolic_link(tmp_path: Path, key: Path) -> None:
    """Fault 111: an output that only a link leads into a drop folder."""
    (tmp_path / "drop" / "inner").mkdir(parents=True)
    (tmp_path / "out").symlink_to("drop/inner")
    config = made(tmp_path, f"output_dir: {tmp_path}/out\nfolders: [{{path: drop}}]\n")
    (problem,) = refused_by_disk(config)
    assert (
        f"config.yaml:3:13: output_dir: {tmp_path}/out lies inside the drop folder {tmp_path}/drop" in problem
    )


def test_fault_112_a_key_file_for_everyone_or_none(tmp_path: Path, key: Path) -> None:
    """Fault 112: a key that others can read, and one that is not there, are refused; all problems at once."""
    config = made(tmp_path, "output_dir: /o\nfolders: [{path: /a}]\nfetch: {group: no such group}\n")
    key.chmod(0o644)
    no_group, readable = refused_by_disk(config)
    assert no_group == "config.yaml:5:16: fetch.group: there is no such group on this machine"
    assert f"config.yaml:1:26: offcloud.api_key_file: {key} can be reached by others (mode 0644)" in readable
    key.unlink()
    assert "No such file" in refused_by_disk(config)[1]


@pytest.mark.parametrize("group", ["root", "'1000'"])
def test_a_group_by_name_or_number(tmp_path: Path, key: Path, group: str) -> None:
    """A number needs no name on this machine."""
    check_places(made(tmp_path, f"output_dir: /o\nfolders: [{{path: /a}}]\nfetch: {{group: {group}}}\n"), {})


_IN_A_NAMESPACE = """
import subprocess, sys
from pathlib import Path
from offcloud_watchd.config import check_places, load
from offcloud_watchd.errors import ConfigError
root = Path(sys.argv[1])
def mount(*words):
    subprocess.run(["mount", *words], check=True)
mount("-t", "tmpfs", "-o", "size=64k", "none", str(root / "out" / "tv"))
mount("--bind", str(root / "drop"), str(root / "again"))
try:
    check_places(load(root / "config.yaml", {}), {})
except ConfigError as error:
    print("\\n".join(error.problems))
"""


def test_fault_111_mounts(tmp_path: Path, key: Path) -> None:
    """Fault 111: a category on another file system than its staging, and one folder bound to two places."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("a private mount name space is not permitted here")
    for name in ("drop", "again", "out/tv"):
        (tmp_path / name).mkdir(parents=True)
    made(
        tmp_path,
        "output_dir: out\nfolders: [{path: drop, category: tv}, {path: again, category: b, output: out/b}]\n",
    )
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", _IN_A_NAMESPACE, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    same, mounted = sorted(set(done.stdout.splitlines()), key=lambda line: "file systems" in line)[:2]
    assert (
        f"folders[1].path: {tmp_path}/again is the same folder as {tmp_path}/drop (folders[0].path)" in same
    )
    assert f"{tmp_path}/out/tv and its staging in {tmp_path}/out are on different file systems" in mounted


def test_the_key_of_a_tool_is_a_secret(tmp_path: Path, key: Path) -> None:
    """It must be there, and its owner's alone; the service's own key never stands in for it."""
    tool = "{name: sonarr, url: 'http://nas:8989', api_key_file: sonarr-key, categories: [tv/4k]}"
    config = made(tmp_path, f"output_dir: out\nfolders: [{{path: drop}}]\narr: [{tool}]\n")
    path = tmp_path / "sonarr-key"
    place = "config.yaml:5:60: arr[0].api_key_file: "
    [missing] = refused_by_disk(config)
    assert missing.startswith(f"{place}cannot be read: No such file or directory: {path}")
    path.write_text("an-arr-key\n")
    path.chmod(0o640)
    [open_to_others] = refused_by_disk(config)
    assert open_to_others.startswith(f"{place}{path} can be reached by others (mode 0640)")
    path.chmod(0o600)
    check_places(config, {})
    assert KeySource(config.key_place, {}).read_other(path, place) == "an-arr-key"


def test_a_file_of_apprise_addresses_is_a_secret(tmp_path: Path, key: Path) -> None:
    """It must be there, and its owner's alone."""
    addresses = tmp_path / "apprise"
    text = f"output_dir: out\nfolders: [{{path: drop}}]\nnotify: {{apprise_file: {addresses}}}\n"
    config = made(tmp_path, text)
    place = "config.yaml:5:24: notify.apprise_file: "
    assert refused_by_disk(config) == [f"{place}{addresses} cannot be read: No such file or directory"]
    addresses.write_text("json://localhost\n")
    addresses.chmod(0o640)
    remedy = f"run chmod 600 {addresses}"
    assert refused_by_disk(config) == [f"{place}{addresses} can be reached by others (mode 0640): {remedy}"]
    addresses.chmod(0o600)
    check_places(config, {})

"""Which file systems tell of changes."""

import pytest

from offcloud_watchd.watch.mounts import (
    Mount,
    file_system_type,
    mount_of,
    read_mountinfo,
    silent_type,
)
from offcloud_watchd.watch.reading import opened_directory

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:30 / /srv/net rw - nfs4 server:/x rw
24 22 0:31 / /srv/with\\040space rw shared:3 master:2 - cifs //s/x rw
25 22 0:32 / /srv/fuse rw - fuse.sshfs host: rw
26 22 0:33 / /srv/net rw - tmpfs tmpfs rw
27 22 0:34 / /mnt rw - fuseblk /dev/sdb1 rw
garbage
28 22 0:35 / - x
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/drop", "ext4"),
        ("/srv", "ext4"),
        ("/srv/network", "ext4"),
        ("/srv/with space/drop", "cifs"),
        ("/srv/fuse", "fuse.sshfs"),
        ("/srv/net/drop", "tmpfs"),
        ("/mnt/a/b", "fuseblk"),
    ],
)
def test_longest_and_latest_mount_decides(path: str, kind: str) -> None:
    """A path belongs to the nearest mount above it; a later mount covers an earlier one."""
    assert file_system_type(path, MOUNTS) == kind


def test_silent_types() -> None:
    """Network and user-space file systems are looked at by the clock; local ones tell."""
    assert silent_type("/home", MOUNTS) is None
    assert silent_type("/srv/fuse/x", MOUNTS) == "fuse.sshfs"
    assert silent_type("/srv/with space", MOUNTS) == "cifs"
    assert silent_type("/anything", "") is None


@pytest.mark.parametrize(
    "kind",
    ["9p", "ceph", "cifs", "fuse", "fuse.mergerfs", "fuseblk", "nfs", "nfs4", "overlay", "smb3", "virtiofs"],
)
def test_what_others_change_without_a_word(kind: str) -> None:
    """Types of which it is known that events are missing are silent."""
    assert Mount("/", kind).is_silent


@pytest.mark.parametrize(
    "kind", ["", "btrfs", "exfat", "ext4", "f2fs", "fusectl", "tmpfs", "vfat", "xfs", "zfs"]
)
def test_what_tells_of_every_change(kind: str) -> None:
    """Local types tell, and so, as far as anybody knows, does one without a name."""
    assert not Mount("/", kind).is_silent


def test_the_kernel_says_on_which_mount_a_directory_lies() -> None:
    """The number of the mount decides, not a mount that was put over it; without a number the path does."""
    with opened_directory("/proc/self") as directory:
        mountinfo = read_mountinfo()
        covered = mountinfo + "999999 1 0:99 / /proc rw - nfs4 server:/x rw\n"
        assert mount_of(directory, "/proc/1", covered) == Mount("/proc", "proc")
    assert mount_of(None, "/proc/1", covered) == Mount("/proc", "nfs4")
    assert mount_of(-1, "/proc/1", "") == Mount()


def test_the_kernel_lists_its_mounts() -> None:
    """The list of this machine names the type that the kernel gives its own file system."""
    assert file_system_type("/proc/self", read_mountinfo()) == "proc"
    assert read_mountinfo("/none") == ""

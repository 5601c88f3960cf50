"""Which file systems tell of changes."""

import pytest

from offcloud_watchd.watch.mounts import file_system_type, read_mountinfo, silent_type

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


def test_the_kernel_lists_its_mounts() -> None:
    """The list of this machine names the type that the kernel gives its own file system."""
    assert file_system_type("/proc/self", read_mountinfo()) == "proc"
    assert read_mountinfo("/none") == ""

import os
import socket
from pathlib import Path

import pytest

from simulators.link import check_link, make_link, remove_link


@pytest.fixture
def link(tmp_path):
    return tmp_path / "device"


@pytest.fixture
def terminal():
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_link_is_made_and_removed(link, terminal):
    make_link(link, terminal)
    assert str(link.readlink()) == terminal
    remove_link(link, terminal)
    assert list(link.parent.iterdir()) == []


def test_a_live_terminal_is_not_taken_away(link, terminal):
    make_link(link, terminal)
    with pytest.raises(FileExistsError, match="alive"):
        make_link(link, "/dev/pts/other")
    assert [str(each.readlink()) for each in link.parent.iterdir()] == [terminal]


def test_a_link_to_a_terminal_that_is_gone_is_replaced(link, terminal):
    link.symlink_to("/dev/pts/999999")
    make_link(link, terminal)
    assert str(link.readlink()) == terminal


def test_a_link_whose_number_was_given_out_again_is_replaced(link, terminal):
    link.symlink_to(terminal)
    made_ns = Path(terminal).stat().st_ctime_ns - 1_000_000_000
    os.utime(link, ns=(made_ns, made_ns), follow_symlinks=False)
    check_link(link)


@pytest.mark.parametrize("target", ["/dev/null", "elsewhere"])
def test_a_link_to_anything_else_stays(link, target):
    link.symlink_to(target)
    with pytest.raises(FileExistsError, match="no pseudo-terminal"):
        make_link(link, "/dev/pts/0")
    assert str(link.readlink()) == target


def test_a_file_and_a_socket_stay(link, tmp_path):
    link.write_text("precious")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "socket"))
    for path in (link, tmp_path / "socket", tmp_path):
        with pytest.raises(FileExistsError, match="not a link"):
            make_link(path, "/dev/pts/0")
    assert link.read_text() == "precious"


def test_a_link_that_another_made_since_is_not_removed(link):
    link.symlink_to("/dev/pts/2")
    remove_link(link, "/dev/pts/1")
    assert link.is_symlink()

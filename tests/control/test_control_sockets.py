"""Where the control server listens: who may connect, what is replaced, what is refused."""

import concurrent.futures
import fcntl
import os
import socket
import stat

import pytest

from gate_controller.control.sockets import ListenError, listen_loopback, listen_unix


def leave_stale(path):
    """What a killed server leaves behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
        dead.listen(1)


def connects(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
    return True


def assert_one_line_with_remedy(error):
    assert error.value.what
    assert error.value.remedy
    assert "\n" not in str(error.value)


def test_owner_and_group_may_connect_and_nobody_else(socket_path, without_root):
    listener = listen_unix(socket_path)
    try:
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o660
        assert connects(socket_path)
        if os.geteuid() == 0:  # else there is no other user to try it as
            with without_root():
                assert connects(socket_path)  # no longer the owner, but still of root's group
            os.chown(socket_path, 0, 54321)
            with without_root(), pytest.raises(PermissionError):
                connects(socket_path)
    finally:
        listener.close()


def test_closing_removes_the_socket(socket_path):
    listen_unix(socket_path).close()
    assert not socket_path.exists()


def test_closing_leaves_a_later_servers_socket_alone(socket_path):
    first = listen_unix(socket_path)
    socket_path.rename(socket_path.with_name("kept"))  # keeps the inode in use, so the next one's is another
    second = listen_unix(socket_path)
    first.close()
    assert connects(socket_path)
    second.close()


def test_a_stale_socket_is_replaced(socket_path):
    leave_stale(socket_path)
    listener = listen_unix(socket_path)
    assert connects(socket_path)
    listener.close()


def test_a_live_servers_socket_is_refused_and_left_working(socket_path):
    first = listen_unix(socket_path)
    try:
        with pytest.raises(ListenError, match="in use") as error:
            listen_unix(socket_path)
        assert_one_line_with_remedy(error)
        assert connects(socket_path)
    finally:
        first.close()


def test_a_live_server_with_a_full_queue_is_still_alive(socket_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(socket_path))
        busy.listen(0)
        waiting = []
        try:
            while True:
                client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                waiting.append(client)
                client.setblocking(False)
                client.connect(str(socket_path))
        except BlockingIOError:
            pass
        with pytest.raises(ListenError, match="in use"):
            listen_unix(socket_path)
        for client in waiting:
            client.close()


def test_of_many_that_find_a_stale_socket_exactly_one_starts(socket_path):
    leave_stale(socket_path)

    def start(_):
        try:
            return listen_unix(socket_path)
        except ListenError:
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        listeners = [listener for listener in pool.map(start, range(8)) if listener is not None]
    assert len(listeners) == 1
    assert connects(socket_path)
    listeners[0].close()


def test_a_start_waits_for_another_that_is_under_way_and_then_finds_it_live(socket_path):
    leave_stale(socket_path)
    directory = os.open(socket_path.parent, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)  # the other daemon, between its look at the stale socket and its own
    with concurrent.futures.ThreadPoolExecutor(1) as pool, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        late = pool.submit(listen_unix, socket_path)
        with pytest.raises(TimeoutError):
            late.result(timeout=0.2)
        socket_path.unlink()
        other.bind(str(socket_path))
        other.listen()
        os.close(directory)
        with pytest.raises(ListenError, match="in use"):
            late.result(timeout=30)
        assert connects(socket_path)


@pytest.mark.parametrize("make", [lambda path: path.write_text("kept"), lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_what_is_not_a_socket_is_refused_and_kept(socket_path, make):
    make(socket_path)
    with pytest.raises(ListenError, match="not a socket") as error:
        listen_unix(socket_path)
    assert_one_line_with_remedy(error)
    assert os.path.lexists(socket_path)


def test_a_missing_directory_is_named(open_directory):
    with pytest.raises(ListenError) as error:
        listen_unix(open_directory / "none" / "control.sock")
    assert_one_line_with_remedy(error)
    assert str(open_directory / "none") in error.value.remedy


def test_a_directory_that_may_not_be_written_is_named(open_directory, without_root):
    open_directory.chmod(0o555)
    with without_root(), pytest.raises(ListenError, match="denied") as error:
        listen_unix(open_directory / "control.sock")
    open_directory.chmod(0o755)
    assert_one_line_with_remedy(error)


def test_a_path_too_long_for_a_socket_is_refused(open_directory):
    with pytest.raises(ListenError) as error:
        listen_unix(open_directory / ("x" * 120))
    assert_one_line_with_remedy(error)


def test_a_port_in_use_is_refused_with_the_way_to_find_who_has_it():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}") as error:
            listen_loopback(port)
        assert_one_line_with_remedy(error)
        assert "ss -ltnp" in error.value.remedy


def test_a_port_that_does_not_exist_is_refused():
    with pytest.raises(ListenError) as error:
        listen_loopback(65536)
    assert_one_line_with_remedy(error)


def test_the_page_is_not_reachable_from_outside():
    listener = listen_loopback(0)
    assert listener.getsockname()[0] == "127.0.0.1"
    listener.close()

import socket

import pytest

from simulators.control import ControlClient, ControlError, ControlServer

pytestmark = pytest.mark.wire


def serve(path):
    return ControlServer(path, lambda verb, _request: {"verb": verb})


def test_a_dead_socket_is_replaced(tmp_path):
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = serve(path)
    client = ControlClient(path)
    assert client.ask("state")["verb"] == "state"
    client.close()
    server.close()
    assert not path.exists()


def test_a_live_socket_is_an_error_and_goes_on(tmp_path):
    path = tmp_path / "control"
    first = serve(path)
    with pytest.raises(ControlError, match="in use"):
        serve(path)
    client = ControlClient(path)
    assert client.ask("state")["ok"]
    client.close()
    first.close()


def test_a_file_stays(tmp_path):
    path = tmp_path / "control"
    path.write_text("precious")
    with pytest.raises(ControlError, match="not a socket"):
        serve(path)
    assert path.read_text() == "precious"


def test_a_link_to_a_dead_socket_stays(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "dead")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    with pytest.raises(ControlError, match="not a socket"):
        serve(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


def test_a_link_to_nowhere_and_a_directory_stay(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "directory").mkdir()
    for name in ("link", "directory"):
        with pytest.raises(ControlError, match="not a socket"):
            serve(tmp_path / name)
        assert (tmp_path / name).lstat()


@pytest.mark.parametrize("use", [serve, ControlClient])
def test_a_path_too_long_for_a_socket_is_said_so(use, tmp_path):
    path = tmp_path / ("x" * 107)
    with pytest.raises(ControlError, match=r"bytes, a socket's may have 107"):
        use(path)


def test_107_bytes_are_not_too_long(tmp_path):
    stem = len(str(tmp_path)) + 1
    if stem > 100:
        pytest.skip("the temporary directory's own name is too long")
    path = tmp_path / ("x" * (107 - stem))
    server = serve(path)
    ControlClient(path).close()
    server.close()


def test_a_handler_that_fails_at_the_system_refuses(tmp_path):
    def handler(_verb, _request):
        raise FileExistsError(17, "is there")

    server = ControlServer(tmp_path / "control", handler)
    client = ControlClient(tmp_path / "control")
    with pytest.raises(ControlError, match="is there"):
        client.ask("clear")
    client.close()
    server.close()

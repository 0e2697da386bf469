import pytest
from pydantic import ValidationError

from drivers.camera import DRIVER, CameraOptions
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext


@pytest.mark.parametrize(
    ("source", "endpoint"),
    [
        (0, "/dev/video0"),
        (2, "/dev/video2"),
        ("/dev/gate/qr-camera", "/dev/gate/qr-camera"),
        ("http://127.0.0.1:8081/stream.mjpg", "http://127.0.0.1:8081/stream.mjpg"),
        ("rtsp://camera.example/1", "rtsp://camera.example/1"),
    ],
)
def test_a_source_has_an_endpoint(source, endpoint):
    assert DRIVER.endpoint(CameraOptions(source=source)) == endpoint


@pytest.mark.parametrize("source", [-1, 256, True, 1.5, "", "video.avi", "/tmp/video.mp4", "file:///tmp/a", "http://", "http://host:no/", "ftp://host/a"])
def test_what_is_no_camera_is_no_source(source):
    with pytest.raises(ValidationError):
        CameraOptions(source=source)


def test_a_password_stays_out_of_the_endpoint():
    options = CameraOptions(source="http://officer:secret@10.0.0.2:81/a?token=hidden")
    assert options.endpoint == "http://10.0.0.2:81/a"
    assert "secret" in options.address


@pytest.mark.parametrize("wrong", [{"width": 10}, {"fourcc": "MJPEG"}, {"colour": "red"}, {"reopen_min_s": 5.0, "reopen_max_s": 1.0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        CameraOptions(source=0, **wrong)


def test_every_option_is_explained():
    assert all(field.description for field in CameraOptions.model_fields.values())


def test_building_touches_no_hardware(tmp_path):
    camera = DRIVER.build(CameraOptions(source="/dev/none"), DriverContext(SystemClock(), tmp_path, print))
    assert camera.describe()["endpoint"] == "/dev/none"
    camera.close()

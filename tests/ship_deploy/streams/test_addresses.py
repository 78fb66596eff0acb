import pytest

from ship_deploy import UserError
from ship_deploy.streams import Camera
from ship_deploy.streams.addresses import read_address, show_address, without_secrets

# Every secret here holds "ter2"; what is shown of the address.
ADDRESSES = {
    "rtsp://admin:hunter2@10.0.0.5/s1": "rtsp://10.0.0.5/s1",
    "rtsp://admin:hun@ter2@10.0.0.5:554/s1": "rtsp://10.0.0.5:554/s1",
    "rtsp://admin:hun/ter2@10.0.0.5/s1": "rtsp://10.0.0.5/s1",
    "rtsp://admin:hun?ter2@10.0.0.5/s1": "rtsp://...",
    "rtsp://admin:hun#ter2@[fe80::1]:554/s1": "rtsp://[fe80::1]:554/s1",
    "http://h/flv?port=1935&user=admin&password=hunter2": "http://h/flv",
    "http://h/flv?user=admin&password=hun@ter2": "http://...",
    "http://10.0.0.5/video.cgi?usr=admin&pwd=hunter2": "http://10.0.0.5/video.cgi",
    "https://h:8443/a/b.m3u8?token=hunter2": "https://h:8443/a/b.m3u8",
    "rtsp://h:554/user=admin_password=hunter2_channel=1_stream=0.sdp": "rtsp://h:554/...",
    "rtsp://h:554/user=admin&password=hun@ter2&channel=1": "rtsp://...",
    "srt://h:9000?passphrase=hunter2hunter2&streamid=hunter2": "srt://h:9000",
    "rtmp://a.example.com/live2/hunter2-abcd": "rtmp://a.example.com/live2/...",
    "rtmps://u:hunter2@a.example.com:443/app/x/hunter2": "rtmps://a.example.com:443/app/...",
    "http://h/x;password=hunter2": "http://h/x",
    "rtsp://admin:hun ter2@h/s1": "rtsp://h/s1",
    "rtsp://hunter2": "rtsp://hunter2",
}


@pytest.mark.parametrize(("address", "shown"), ADDRESSES.items())
def test_what_is_shown_of_an_address_holds_no_secret(address, shown):
    assert show_address(address) == shown == Camera(address).name


def test_addresses_in_a_message_lose_their_secrets():
    text = "[tcp] rtsp://a:hunter2@h/s1: Connection refused; then http://h/x?pwd=hunter2 failed"
    assert without_secrets(text) == "[tcp] rtsp://h/s1: Connection refused; then http://h/x failed"


def test_an_address_comes_from_a_variable_or_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("CAMERA", " rtsp://a:b@h/s1\n")
    (tmp_path / "camera").write_text("rtsp://a:b@h/s1\n")
    assert read_address("ENV:CAMERA") == read_address(f"file:{tmp_path}/camera")
    assert read_address("ENV:CAMERA") == "rtsp://a:b@h/s1"
    assert read_address("file:///a/b.mp4") == "file:///a/b.mp4"  # a video


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot read"), ("", "one line"), ("a\nb", "one line")]
)
def test_a_file_without_an_address_is_named_and_not_shown(tmp_path, content, said):
    if content is not None:
        (tmp_path / "camera").write_text(content)
    with pytest.raises(UserError, match=f"camera: .*{said}"):
        read_address(f"file:{tmp_path}/camera")
    with pytest.raises(UserError, match="ENV:NOT_THERE: there is no such"):
        read_address("ENV:NOT_THERE")

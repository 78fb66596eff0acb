"""What is encoded with what, on machines that can do more or less."""

import subprocess

import pytest

from ship_deploy import UserError
from ship_deploy.streams.push import PushOutput
from ship_deploy.streams.recordings import codecs


@pytest.fixture
def machine(monkeypatch):
    """Makes an FFmpeg that lists some encoders, of which some work."""

    def make(listed, working):
        def run(*arguments):
            said = b" ".join(f"V..... {name}\n".encode() for name in listed)
            name = arguments[arguments.index("-c:v") + 1] if "-c:v" in arguments else None
            code = 0 if name is None or name in working else 1
            return subprocess.CompletedProcess(arguments, code, said, b"")

        monkeypatch.setattr(codecs, "_run", run)
        codecs.find_codec.cache_clear()

    yield make
    monkeypatch.undo()
    codecs.find_codec.cache_clear()


def test_the_first_that_works_is_taken(machine, caplog):
    machine(["libopenh264", "h264_nvenc", "mpeg4"], ["h264_nvenc", "mpeg4"])
    assert codecs.find_codec().name == "h264_nvenc" and not caplog.records
    assert "-c:v h264_nvenc" in codecs.options_for(".mp4", 25.0)


def test_what_is_pushed_is_encoded_in_the_same_way(machine):
    machine(["libopenh264"], ["libopenh264"])
    push = PushOutput("rtmp://127.0.0.1:1/live", 25.0)
    push.close()
    assert "-g 25 -c:v libopenh264 " in push._options
    machine([], [])
    PushOutput("rtsp://127.0.0.1:1/live", 25.0).close()
    with pytest.raises(UserError, match=r"no encoder of H\.264, which RTMP needs"):
        PushOutput("rtmp://127.0.0.1:1/live", 25.0)


def test_without_one_it_says_so(machine, caplog):
    machine(["libx264", "mpeg4"], [])
    assert "-c:v mpeg4" in codecs.options_for(".mkv", 25.0)
    assert "browsers do not play" in caplog.text and len(caplog.records) == 1
    assert "mjpeg" in codecs.options_for(".avi", 25.0)

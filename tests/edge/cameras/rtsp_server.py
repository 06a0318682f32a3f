"""A real RTSP camera (GStreamer's server) for the tests: H.264 and sound, on loopback. Run with Debian's own Python.

`/usr/bin/python3 rtsp_server.py PORT` prints `ready` and one `setup …` line for each stream that a client asks for.
Debian: gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly.
"""

import importlib
import sys

gi = importlib.import_module("gi")
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
glib, gst, rtsp = (importlib.import_module(f"gi.repository.{name}") for name in ("GLib", "Gst", "GstRtspServer"))

PICTURES = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96"
)
SOUND = "audiotestsrc is-live=true volume=0.1 ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay name=pay1 pt=8"


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main() -> None:
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(f"( {PICTURES} {SOUND} )")
    server.get_mount_points().add_factory("/cam", factory)
    server.connect(
        "client-connected",
        lambda _, client: client.connect("setup-request", lambda _client, at: say(f"setup {at.uri.abspath}")),
    )
    server.attach(None)
    say("ready")
    glib.MainLoop().run()


main()

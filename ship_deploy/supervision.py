"""What systemd is told of a service: that it is ready, that it still works, that it ends."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send a state such as "READY=1", as `sd_notify(3)` does; nothing where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)


def watchdog() -> float:
    """Seconds in which systemd wants to hear `WATCHDOG=1`; infinite if it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if ours and microseconds.isdecimal() else float("inf")

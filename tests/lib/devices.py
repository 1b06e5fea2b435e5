# SPDX-License-Identifier: MIT
"""Disks, networks and a small web server for test machines."""
import contextlib
import functools
import http.server
import os
import threading


DISKS = {
    "ahci": ["ahci,id=ahci", "ide-hd,bus=ahci.0,drive=disk"],
    "nvme": ["nvme,serial=1,drive=disk"],
    "virtio": ["virtio-blk-pci,drive=disk"],
}
CARDS = {"e1000": "e1000", "virtio": "virtio-net-pci"}


def disk(context, kind, mebibytes=64):
    """Arguments for a disk that is empty at first; it lives in the case's
    folder, so a second machine of the case finds what the first one left."""
    path = os.path.join(context.folder, "disk.img")
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.truncate(mebibytes << 20)
    arguments = ["-drive", f"file={path},format=raw,if=none,id=disk"]
    for device in DISKS[kind]:
        arguments += ["-device", device]
    return arguments


def network(kind):
    """Arguments for a network card on QEMU's user network, where 10.0.2.2
    is this host's loopback."""
    return ["-netdev", "user,id=net0",
            "-device", CARDS[kind] + ",netdev=net0"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server(folder):
    """Serve a folder on a free loopback port and yield that port; a guest
    finds it at 10.0.2.2."""
    handler = functools.partial(_Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()

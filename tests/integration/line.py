# SPDX-License-Identifier: Apache-2.0
"""A bad line between two places: each a network namespace, with one link whose packets are lost and
delayed. The kernel's netem does that where it has it; else the link is two TUN devices and a thread
that carries the packets, and loses and delays them as netem would. Either way the connections over
it are the kernel's own, which send again what was lost.

The test's process moves to the near place, with what it starts. What listens far away is made
within far(). All of it is gone when the process ends. Needs root.
"""

import contextlib
import ctypes
import errno
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time
import unittest

NEAR, FAR = "10.77.0.1", "10.77.0.2"
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LIBC = ctypes.CDLL(None, use_errno=True)


def _enter_new_namespace():
    if LIBC.unshare(CLONE_NEWNET) != 0:
        raise unittest.SkipTest(
            f"no network namespace (root may make one): {os.strerror(ctypes.get_errno())}")
    _run("ip", "link", "set", "lo", "up")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace):
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(errno.EIO, f"{' '.join(command)}: {done.stderr.strip()}")


class Line:
    def __init__(self):
        self._far = _enter_new_namespace()
        self._near = _enter_new_namespace()
        try:
            self._by_netem()
            self.kind = "netem"
        except OSError as problem:
            print(f"no netem here ({problem.strerror}): packets are lost and delayed by our own "
                  "relay between two TUN devices")
            self._by_relay()
            self.kind = "relay"

    @contextlib.contextmanager
    def far(self):
        """What this thread opens meanwhile is at the far end."""
        _enter(self._far)
        try:
            yield
        finally:
            _enter(self._near)

    def set(self, loss, delay=0.0, jitter=0.0):
        """In each direction: the share of packets that is lost, and seconds."""
        if self.kind == "netem":
            self._netem("change", loss, delay, jitter)
        else:
            self.relay.quality = (loss, delay, jitter)

    # -- by the kernel

    def _netem(self, verb, loss, delay, jitter):
        how = ["netem", "delay", f"{delay * 1000:g}ms", f"{jitter * 1000:g}ms",
               "loss", f"{loss * 100:g}%", "limit", "100000"]
        _run("tc", "qdisc", verb, "dev", "near", "root", *how)
        with self.far():
            _run("tc", "qdisc", verb, "dev", "far", "root", *how)

    def _by_netem(self):
        _run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far",
             "netns", f"/proc/{os.getpid()}/fd/{self._far}")
        try:
            self._addresses()
            self._netem("add", 0, 0, 0)
        except OSError:
            _run("ip", "link", "del", "near")
            raise

    # -- by ourselves

    def _by_relay(self):
        near = self._tun("near")
        with self.far():
            far = self._tun("far")
        self._addresses()
        self.relay = Relay(near, far)

    @staticmethod
    def _tun(name):
        try:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                                       IFF_TUN | IFF_NO_PI))
        except OSError as problem:
            raise unittest.SkipTest(f"neither netem nor TUN devices: {problem}") from problem
        return device

    def _addresses(self):
        self._address("near", NEAR, FAR)
        with self.far():
            self._address("far", FAR, NEAR)

    @staticmethod
    def _address(device, ours, theirs):
        _run("ip", "addr", "add", ours, "peer", theirs, "dev", device)
        _run("ip", "link", "set", device, "up")


class Relay(threading.Thread):
    """Carries packets from each device to the other."""

    def __init__(self, near, far):
        super().__init__(daemon=True)
        self.other = {near: far, far: near}
        self.quality = (0.0, 0.0, 0.0)
        self.carried = self.lost = 0
        self.waiting = []  # a heap: (when, number, device, packet)
        self.start()

    def run(self):
        numbers = itertools.count()
        while True:
            pause = max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            for device in select.select(list(self.other), [], [], pause)[0]:
                packet = os.read(device, 65536)
                loss, delay, jitter = self.quality
                if random.random() < loss:
                    self.lost += 1
                    continue
                due = time.monotonic() + delay + random.uniform(-jitter, jitter)
                heapq.heappush(self.waiting, (due, next(numbers), self.other[device], packet))
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(self.waiting)
                with contextlib.suppress(OSError):  # full: as good as lost
                    os.write(device, packet)
                self.carried += 1

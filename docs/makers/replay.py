"""Sends the packets of embedded.md to a broker as your node, and compares what comes back.

NODE=… PASSWORD=… HOST=… PORT=… python3 replay.py embedded.md
"""

import os
import random
import re
import socket
import sys
import time
from pathlib import Path

EXAMPLE_NODE, EXAMPLE_PASSWORD = b"4k2m9x0qa1bz", b"example-password-24bytes"
EXAMPLE_BOOT = 795775428
BLOCK = re.compile(r"```hex (send|answer) ([^\n]+)\n(.*?)```", re.DOTALL)
BOOT = random.randint(10**8, 10**9 - 1)


def packet_of(dump):
    """The bytes left of the bars, with the example's names replaced by ours."""
    found = b"".join(bytes.fromhex(line.partition("|")[0]) for line in dump.splitlines())
    for old, new in (
        (EXAMPLE_NODE, os.environ["NODE"].encode()),
        (EXAMPLE_PASSWORD, os.environ["PASSWORD"].encode()),
        (b"%d" % EXAMPLE_BOOT, b"%d" % BOOT),
        (EXAMPLE_BOOT.to_bytes(4, "big"), BOOT.to_bytes(4, "big")),
    ):
        if len(old) != len(new):
            sys.exit(f"{len(new)} characters where the dumps have room for {len(old)}")
        found = found.replace(old, new)
    return found


def exactly(link, n):
    """So many bytes, or the end."""
    found = b""
    while len(found) < n:
        more = link.recv(n - len(found))
        if not more:
            sys.exit("the broker ended the connection")
        found += more
    return found


def next_packet(link):
    """One whole packet: its first byte, its length in 7 bits a byte, the rest."""
    head = exactly(link, 2)
    while head[-1] & 128:
        head += exactly(link, 1)
    length = sum((b & 127) << (7 * i) for i, b in enumerate(head[1:]))
    return head + exactly(link, length)


def plain(packet):
    """What does not differ from run to run: not the hub's time, nor whether a session was kept."""
    packet = re.sub(rb'"t":\d{13}', b'"t":0', packet)
    return packet if packet[0] != 0x20 else packet[:2] + b"?" + packet[3:]


def main(page):
    blocks = BLOCK.findall(Path(page).read_text(encoding="utf-8"))
    address = (os.environ["HOST"], int(os.environ["PORT"]))
    with socket.create_connection(address, timeout=10) as link:
        for what, name, dump in blocks:
            packet = packet_of(dump)
            if what == "send":
                link.sendall(packet)
            else:
                until = time.time() + 10
                while plain(next_packet(link)) != plain(packet):
                    if time.time() > until:
                        sys.exit(f"{name} did not come")
            print(f"{what:6} {name:14} {len(packet):4} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

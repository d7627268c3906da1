"""How fast does ingest make messages durable, and what do they cost? Broker, database, generator
and ingest on this machine. Compare only lines of one run: the machine is shared.

    python benchmarks/bench_ingest.py [messages in a run]

The bare loop (bare_loop.py) is what the machine can do at all: the same codec, a typed decode, the
same COPY into the same table with its indexes, commit, PUBACK. Subjects take turns, so that
what else the machine does falls on both.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from latency import latencies
from rig import Result, Rig, rig

from runtime.log import configure
from store.migrate import migrate

# The rates of the field are for the field: a node here sends as fast as it can.
FREELY = {
    "soft_factor": 50.0,
    "hard_per_s": 1e6,
    "hard_burst": 1e7,
    "soft_samples_per_s": 1e6,
    "soft_samples_burst": 1e7,
    "hard_samples_per_s": 1e7,
    "hard_samples_burst": 1e8,
}
NODES = 1_000
HEAD = (
    f"{'':26}{'msg/s':>8}{'CPU us a message: hub':>24} {'db':>6} {'broker':>6} {'load':>6}  RSS MB"
)


def line(what: str, result: Result) -> str:
    """A row of a table."""
    cost = result.cost.per(result.messages)
    return f"{what:26}{result.rate:8.0f}{'':17}{cost}  {result.rss_mb:6.0f}"


def take_turns(made: Rig, messages: int, shape: str, rounds: int = 2) -> None:
    """The bare loop and ingest by turns; the median of the ratios."""
    ratios = []
    for _ in range(rounds):
        rates = {}
        for which in ("bare", "ingest"):
            made.people(NODES)
            given = FREELY if which == "ingest" else {}
            result = made.run(which, messages, load={"shape": shape}, **given)
            print(line(f"{shape} {which}", result), flush=True)
            rates[which] = result.rate
        ratios.append(rates["ingest"] / rates["bare"])
    print(f"ingest / bare loop: {statistics.median(ratios):.2f} (of {rounds}: ", end="")
    print(", ".join(f"{ratio:.2f}" for ratio in sorted(ratios)) + ")")
    if shape == "block":
        print(f"samples a second, last round: {rates['ingest'] * 60:.0f}")


def nodes_matter(made: Rig, messages: int) -> None:
    """The same load from ever more nodes."""
    print("\nfrom so many nodes")
    for nodes in (1, 10, 100, 1_000, 10_000):
        made.people(nodes)
        free = FREELY | {
            "soft_factor": 5_000.0,
            "soft_samples_burst": 1e9,
            "soft_samples_per_s": 1e9,
        }
        with made.subject("ingest", **free) as hub:
            first = heard_once(made, hub)
            result = made.send(hub, messages, first=first)
        print(line(f"{nodes} nodes", result), flush=True)


def heard_once(made: Rig, hub: int) -> int:
    """Let every node be heard of, as after an hour; the number each goes on with."""
    made.boot += 1
    made.send(hub, max(made.nodes, 1_000))
    time.sleep(2.0)
    return max(1, 1_000 // made.nodes)


def rejects_matter(made: Rig, messages: int) -> None:
    """Good messages at a steady rate, alone and with refused ones of another node among them."""
    print("\ngood messages at 2,000 a second, alone and with one refused to five good ones")
    for wrong in (0, messages // 5):
        made.people(NODES)
        with made.subject("ingest", **FREELY) as hub, latencies(made) as told:
            made.boot += 1
            result = made.send(hub, messages, rate=2_000.0, wrong=wrong)
        print(line(f"{wrong} refused", result) + f"  {told.text()}", flush=True)


def reading_to_stored(made: Rig, rate: float, seconds: int) -> None:
    """From the instant of the measurement to the commit, as a consumer of the feed sees it."""
    made.people(10_000)
    with made.subject("ingest", **FREELY) as hub:
        first = heard_once(made, hub)
        with latencies(made) as told:
            result = made.send(hub, int(rate * seconds), rate=rate, first=first)
    print(f"\nreading to stored at {rate:.0f} messages a second from 10,000 nodes: {told.text()}")
    print(HEAD + "\n" + line(f"{rate:.0f} messages/s", result))


def main(messages: int) -> None:
    """Measure and print."""
    configure("bench", "ERROR")
    with tempfile.TemporaryDirectory() as home, rig(Path(home)) as made:
        asyncio.run(migrate(made.database.url))
        print(HEAD)
        take_turns(made, messages, "single")
        take_turns(made, max(2_000, messages // 4), "block")
        reading_to_stored(made, 5_000.0, max(2, messages // 5_000))
        rejects_matter(made, messages)
        nodes_matter(made, messages)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)

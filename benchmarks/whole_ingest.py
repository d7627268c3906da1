"""Ingest as it is, in a process of its own, that tells how many messages it has settled.

python benchmarks/whole_ingest.py <settings as JSON> <progress file>
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from load import Progress, end_with_parent
from prometheus_client import REGISTRY

from ingest.measured import measured
from ingest.service import serve
from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from runtime.log import configure


async def tell(progress: Progress) -> None:
    """Fifty times a second."""
    counter = measured().messages

    while not REGISTRY.get_sample_value("hearthbeat_ingest_connected", {"lane": "data"}):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    while True:
        samples = [s for metric in counter.collect() for s in metric.samples]
        progress.set(int(sum(s.value for s in samples if s.name.endswith("_total"))))
        await asyncio.sleep(0.02)


async def main(settings: str, progress: str) -> None:
    """Until terminated."""
    configure("bench", "ERROR")
    task = asyncio.create_task(tell(Progress(progress)))
    try:
        await serve(IngestSettings.model_validate_json(settings), SystemClock())
    finally:
        task.cancel()


if __name__ == "__main__":
    end_with_parent()
    profile = os.environ.get("BENCH_PROFILE")
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        try:
            profiler.runcall(asyncio.run, main(*sys.argv[1:]))
        finally:
            profiler.dump_stats(Path(profile))
    else:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(main(*sys.argv[1:]))

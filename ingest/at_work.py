"""Which writers have a batch in work: whoever forgets an old count waits until what was taken from
the broker before it is there to be forgotten."""

import asyncio


class AtWork:
    """Shared by the writers of one process; only one process acts."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Event] = {}

    def begin(self, writer: str) -> None:
        """It has taken a batch."""
        self._ends.setdefault(writer, asyncio.Event())

    def end(self, writer: str) -> None:
        """What it took is stored, and noted before anybody else's turn."""
        event = self._ends.pop(writer, None)
        if event is not None:
            event.set()

    async def others_end(self, writer: str, limit_s: float) -> None:
        """Wait for the batches that the others have in work at this moment; not for ever, because
        one of them may wait for a database that refuses it. Nobody waits for who waits here."""
        self.end(writer)
        ends = [end.wait() for name, end in self._ends.items() if name != writer]
        if not ends:
            return
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*ends)
        except TimeoutError:
            return

"""What is missing over HTTP: for whom it concerns, and lost where it is lost."""

from datetime import timedelta

from runtime.clock import ManualClock
from store import gap, resend
from store.gap import Count, Hole
from store.message import Boot
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village


async def test_gaps_and_completeness_are_told(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Open gaps first; the day of the patient says what is missing and what is lost."""
    node, patient, now = village.nodes["zhang"], village.patients["zhang"], clock.now()
    at, boot = now - timedelta(hours=1), Boot(village.nodes["zhang"], 7)
    holes = (Hole(5, 9, at, at), Hole(20, 21, at, at), Hole(30, 2**40, at, at))
    await gap.note(conn, [Count(boot, 2**40, at, holes)], now=now)
    await resend.gone(conn, boot, [(5, 9)], now=now)
    told = (await api.get("nurse", f"/api/nodes/{node}/gaps")).json()
    facts = [(g["first"], g["state"], g["missing"], g["lost"]) for g in told["gaps"]]
    assert facts == [(20, "found", 2, 0), (30, "jumped", 0, 0), (5, "lost", 0, 5)]
    assert (told["boots"][0]["boot"], told["boots"][0]["unfollowed"]) == (7, 0)
    page = f"/api/patients/{patient}/completeness"
    days = (await api.get("nurse", f"{page}?days=2")).json()["days"]
    assert len(days) == 2
    assert sum(day["lost"] for day in days) == 5
    assert sum(day["unclear"] for day in days) == 1
    assert (await api.get("nurse", f"{page}?days=63")).status_code == 422


async def test_what_is_missing_elsewhere_is_nobody_elses(api: Caller, village: Village) -> None:
    """Out of scope looks like not there."""
    for path in (
        f"/api/nodes/{village.nodes['zhang']}/gaps",
        f"/api/patients/{village.patients['zhang']}/completeness",
    ):
        assert (await api.get("stranger", path)).status_code == 404

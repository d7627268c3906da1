"""Whose readings have to be looked at again, and from when on. Pure."""

from collections.abc import Iterable
from datetime import datetime

from store.episode import Episode
from store.feed import ReadingItem


class Affected:
    """The people, and the devices nobody is behind, with the first measured time concerned."""

    def __init__(self) -> None:
        self.patients: dict[int, datetime] = {}
        self.devices: dict[int, datetime] = {}

    def __bool__(self) -> bool:
        return bool(self.patients or self.devices)

    def patient(self, patient_id: int, at: datetime) -> None:
        """Something about a patient changed at a measured time."""
        self.patients[patient_id] = min(at, self.patients.get(patient_id, at))

    def device(self, device_id: int, at: datetime) -> None:
        """Something about a device's unowned readings changed."""
        self.devices[device_id] = min(at, self.devices.get(device_id, at))

    def reading(self, item: ReadingItem) -> None:
        """A reading came, changed, or changed hands."""
        if item.patient_id is not None:
            self.patient(item.patient_id, item.measured_at)
        if item.patient_id is None or item.change != "inserted":
            self.device(item.device_id, item.measured_at)

    def episodes(self, episodes: Iterable[Episode], *, waiting: bool = False) -> None:
        """Whatever these episodes rest on; of one that waits, only what it waits for."""
        for episode in episodes:
            times = [
                piece.at
                for piece in episode.evidence
                if piece.type == "reading" and (not waiting or piece.stance == "waiting")
            ]
            at = min(times, default=episode.onset_at)
            if episode.patient_id is not None:
                self.patient(episode.patient_id, at)
            elif episode.device_id is not None:
                self.device(episode.device_id, at)

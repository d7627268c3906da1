"""Stage: messages into meaning. A batch of measurements becomes readings, blocks and defects, a
waveform a chunk that can be read."""

import structlog

from contract import messages, wave
from contract.errors import Refused, defect
from contract.experimental import experimental
from contract.observation import observe
from ingest.decode import HUB_FAULT
from ingest.entry import Checked, Decoded
from ingest.fault import fault

_LOG = structlog.get_logger()


def validate(decoded: Decoded) -> Checked:
    """Check one message against the dictionary of vital signs; never raises."""
    if decoded.observation is not None:
        return Checked(decoded=decoded, observation=decoded.observation)
    if isinstance(decoded.message, messages.Obs):
        return _observed(decoded, decoded.message)
    if isinstance(decoded.message, messages.Wave):
        return _chunk(decoded, decoded.message)
    return Checked(decoded=decoded, defects=decoded.defects)


def _observed(decoded: Decoded, obs: messages.Obs) -> Checked:
    try:
        aside = experimental(decoded.arrival.payload)
        observation = observe(obs, received_at=decoded.arrival.received_at, aside=aside)
    except Exception as error:  # noqa: BLE001 - one message must not stop all the others
        where = {"node": decoded.node, "boot": obs.boot, "seq": obs.seq}
        _LOG.error("validate_failed", **where, **fault(error))
        return Checked(decoded=decoded, defects=(defect(HUB_FAULT, ""),))
    return Checked(decoded=decoded, observation=observation, defects=tuple(observation.defects))


def _chunk(decoded: Decoded, message: messages.Wave) -> Checked:
    try:
        chunk = wave.check(message, received_at=decoded.arrival.received_at)
    except Refused as error:
        return Checked(decoded=decoded, defects=(error.defect,))
    except Exception as error:  # noqa: BLE001 - one message must not stop all the others
        where = {"node": decoded.node, "boot": message.boot, "seq": message.seq}
        _LOG.error("validate_failed", **where, **fault(error))
        return Checked(decoded=decoded, defects=(defect(HUB_FAULT, ""),))
    return Checked(decoded=decoded, chunk=chunk, warnings=tuple(chunk.warnings))

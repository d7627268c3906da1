"""What a maker is told of a node's topics: every one there is, by kind."""

from care.people.connecting import topics_of
from contract.topics import DN_KINDS, UP_KINDS


def test_every_topic_of_the_contract_is_told() -> None:
    """Waveforms, configuration, diagnostics and firmware too."""
    told = topics_of("gw00000001")
    assert set(told.publish) == UP_KINDS
    assert set(told.receive) == DN_KINDS
    assert told.publish["wave"] == "hh/1/up/gw00000001/wave"
    assert told.receive["fw"] == "hh/1/dn/gw00000001/fw"

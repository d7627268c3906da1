"""Claim codes, QR texts and proofs."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import claim_code
from contract.topics import NODE_PATTERN

CODES = st.integers(0, 2**45 - 1).map(claim_code.make_code).filter(lambda code: code is not None)


@given(CODES)
def test_a_code_is_read_as_people_write_it(code):
    """Hyphens, spaces, lower case, and the letters that look like digits."""
    assert len(code) == 10
    loose = claim_code.grouped(code).lower().replace("0", "o").replace("1", "l")
    assert claim_code.read_code(f" {loose} ") == code
    assert claim_code.read_qr(claim_code.qr_text("HB24-1", code)) == ("HB24-1", code)


@given(CODES, st.integers(0, 9), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_wrong_character_is_noticed(code, place, letter):
    """Whichever it is, the check character says so."""
    typed = code[:place] + letter + code[place + 1 :]
    assert (claim_code.read_code(typed) == code) == (typed == code)
    assert typed == code or claim_code.read_code(typed) is None


@given(CODES, st.integers(0, 7))
def test_two_neighbours_swapped_are_noticed(code, place):
    """The commonest slip after a wrong character."""
    typed = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert typed == code or claim_code.read_code(typed) is None


@pytest.mark.parametrize(
    "text", ["", "HH1:", "HH1:HB24:", "HH2:HB24-1:T60134E6N9", "HH1:a:T60134E6N9", "HH1:HB24-1:T6"]
)
def test_what_is_no_qr_text_of_ours(text):
    """Another scheme, a missing part, a serial or code that cannot be."""
    assert claim_code.read_qr(text) is None


def test_proofs_are_what_the_specification_says():
    """Worked out by hand with hmac, so a maker can check a port of it; U is no letter of a code."""
    secret = bytes(range(16))
    of_unit = partial(claim_code.unit_proof, secret, serial="HB24-0001", nonce="00ff")
    unit = of_unit(csr=None)
    hub = claim_code.hub_proof(secret, serial="HB24-0001", nonce="00ff", node="n", ca="CA")
    assert unit == "0ff2c29ba86b998e4315de4f08555c73a1206bf338d3789b3481b07323b7def2"
    assert of_unit(csr="CSR") == "04507f8ea4b67a67821c6f8f5956d0f26cbc273145047a9080e8d900d83698cf"
    assert of_unit(csr="CSR") != of_unit(csr="CSR\n")
    assert len({of_unit(csr=csr) for csr in (None, "", "CSR")}) == 3
    assert hub == "c7f2e90df40b799cb197c7000279c9bd9cbc6abc14b420ee9b86b17691b71dd6"
    assert claim_code.same_proof(unit, unit.upper())
    assert not claim_code.same_proof(unit, hub)
    assert claim_code.read_code("UUUUUUUUUU") is None


def test_no_node_is_called_like_a_unit():
    """The user of a unit fits Mosquitto's password file and is no name of a node."""
    user = claim_code.claim_user("HB24-0001")
    assert ":" not in user
    assert not NODE_PATTERN.match(user)

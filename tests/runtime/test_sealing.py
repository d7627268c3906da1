"""Secrets at rest: useless without the key, and each only in its own place."""

import pytest

from runtime.sealing import CannotUnsealError, load_sealer, prepare_key


@pytest.fixture
def sealer(tmp_path):
    prepare_key(tmp_path / "secrets" / "units")
    return load_sealer(tmp_path / "secrets" / "units")


def test_a_secret_comes_back_only_with_its_key_and_for_its_owner(sealer, tmp_path):
    """Another key, another owner or a changed byte: nothing comes back."""
    sealed = sealer.seal(b"sixteen bytes...", about="SN1")
    assert b"sixteen" not in sealed
    assert sealer.unseal(sealed, about="SN1") == b"sixteen bytes..."
    assert sealer.seal(b"sixteen bytes...", about="SN1") != sealed
    prepare_key(tmp_path / "other")
    for who, text, about in (
        (sealer, sealed, "SN2"),
        (sealer, sealed[:-1] + bytes([sealed[-1] ^ 1]), "SN1"),
        (sealer, b"", "SN1"),
        (load_sealer(tmp_path / "other"), sealed, "SN1"),
    ):
        with pytest.raises(CannotUnsealError):
            who.unseal(text, about=about)


def test_the_key_is_kept_and_nobody_else_reads_it(sealer, tmp_path):
    """Made once, mode 0600; a missing or damaged one is said, not replaced."""
    file = tmp_path / "secrets" / "units"
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    prepare_key(file)
    assert file.read_text() == before
    again = load_sealer(file)
    assert again.digest("code", about="SN1") == sealer.digest("code", about="SN1")
    assert again.digest("code", about="SN2") != sealer.digest("code", about="SN1")
    file.write_text("short")
    for path in (file, tmp_path / "nowhere"):
        with pytest.raises(CannotUnsealError, match="only who runs the hub"):
            load_sealer(path)

"""The model card speaks of the files that ship."""

from __future__ import annotations

from vsadcvsr.weights import catalog


def test_the_card_names_the_sums_of_the_catalogue() -> None:
    card = catalog.TABLE.with_name("fast.md").read_text("utf-8")
    checksums = [checksum for entry in catalog.entries().values() if not entry.url for _, checksum in entry.files]
    assert len(checksums) > 1
    for checksum in checksums:
        assert checksum in card

"""Model cards speak of the files that ship."""

from __future__ import annotations

from vsadcvsr.weights import catalog


def test_the_cards_name_the_sums_of_the_catalogue() -> None:
    shipped = {name: entry for name, entry in catalog.entries().items() if entry.files and not entry.url}
    assert set(shipped) == {"fast", "base"}
    for name, entry in shipped.items():
        card = catalog.TABLE.with_name(f"{name}.md").read_text("utf-8")
        for file, checksum in (pair for network in entry.by_scale for pair in network.files):
            assert f"| {file} |" in card
            assert checksum in card

"""Damage is counted by kind, and told with nothing that was not found."""

from __future__ import annotations

from ffmpeg_filter.media.damage import Damage

LINES = (
    "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [warning] corrupt decoded frame",
    "[in#0/mpegts @ 0x5] [warning] Packet corrupt (stream = 0, dts = 186060).",
    "[in#0/mov @ 0x5] [error] stream 0, offset 0x1354b: partial file",
    "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Decoding error: Invalid data found when processing input",
    "[libx264 @ 0x1] [warning] something else",
)


def test_each_kind_is_counted() -> None:
    damage = Damage()
    assert [damage.count_line(line) for line in LINES] == [True, True, True, True, False]
    assert (damage.frames, damage.packets, damage.lost) == (1, 2, 1)


def test_only_counted_damage_is_reported() -> None:
    damage = Damage()
    assert not damage
    damage.count_line(LINES[0])
    assert damage
    assert str(damage) == "the source is damaged: 1 damaged frames decoded"

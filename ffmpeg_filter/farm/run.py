"""`-farm ADDRESS`: the command of one machine, made by the workers of a cluster.

Each title is planned here, its chunks are made there, and it is merged here.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from ffmpeg_filter.command.argv import Command
from ffmpeg_filter.farm import exit_status
from ffmpeg_filter.farm.batch import Works
from ffmpeg_filter.farm.exit_status import stoppable
from ffmpeg_filter.farm.options import orders, titles
from ffmpeg_filter.farm.title import Making
from vsadcvsr.errors import AdcvsrError
from vsadcvsr.farm.cluster import connection, workers
from vsadcvsr.farm.cluster.workers import Crew
from vsadcvsr.farm.monitor.summary import counted
from vsadcvsr.farm.monitor.watch import Watch
from vsadcvsr.farm.store.ledger import worker_name

SITE = "ffmpeg_filter.farm.worker:Site"
"""What runs in the workers."""


def run(command: Command) -> int:
    """Makes what `-farm` asks for; the exit status. Raises what one machine would, and FarmError."""
    given, asked = orders(command), titles(command)
    connection.check(given.address)
    makings = [Making(title, given) for title in asked]
    left = [making for making in makings if not making.is_there]
    if len(left) < len(makings) and given.least <= logging.INFO:
        exit_status.say(f"{len(makings) - len(left)} of {len(makings)} titles are there already; -y makes them again")
    if not left:
        return exit_status.OK
    for making in left:
        making.check_outputs()
    device, told = _device(left), sys.stdout if given.style == "json" else sys.stderr  # before Ray's words are led away
    with connection.joined(given.address) as there, stoppable():
        nodes = there.nodes()
        need = workers.need(nodes, given.cpus, given.gpus, device)
        hands = Crew(there, SITE, (worker_name(), need.threads), need, given.workers)
        with Watch(style=given.style, stream=told, least=given.least) as watch, Works(hands, watch, left) as works:
            watch.inform(f"room for {counted(need.room(nodes), 'worker')} of {need} on {counted(len(nodes), 'node')}")
            works.finish()
    return works.status()


def _device(left: Sequence[Making]) -> str:
    """The device that the command names. Raises what is wrong with it; of a batch, one good title will do."""
    for making in left:
        try:
            return making.ordered().plan.options.device
        except (AdcvsrError, OSError):
            if len(left) == 1:
                raise
    return "auto"

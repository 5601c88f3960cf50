"""The hands: worker threads that carry effects out and answer through the inbox.

Rules of this room:

* ``perform`` is the whole meaning of an effect, ``ask_round`` that of a round of polls, ``consult`` that of a
  look into the cache, ``trace`` that of a round of looks at releases; none needs a thread, so tests drive
  them directly.
* A worker catches everything at its boundary: an error is an answer like any other, never the end of a lane.
* One thread owns the service's client (the api lane); a fetch that needs links asks that lane for them.
* A worker shows that it moves by looking at its stop flag, which every port does between steps that may take
  long; what it is at is read by whoever asks, without a lock: each worker writes its own entry only.
* Nothing here decides. Whether an error is mended by time, and what follows, is the engine's affair.
"""

from offcloud_watchd.lanes.acts import Ports, minted, perform, settle_each
from offcloud_watchd.lanes.asking import ask_round
from offcloud_watchd.lanes.consulting import consult
from offcloud_watchd.lanes.tracing import trace
from offcloud_watchd.lanes.workers import PROGRESS_EVERY_S, Workers

__all__ = [
    "PROGRESS_EVERY_S",
    "Ports",
    "Workers",
    "ask_round",
    "consult",
    "minted",
    "perform",
    "settle_each",
    "trace",
]

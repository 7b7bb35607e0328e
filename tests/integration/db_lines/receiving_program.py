"""A receiving process of its own: records the Instances that stand pickled on its standard input."""

import pickle
import sys

from db.intake import record_instance
from db.queue import open_queue

database, incoming, timing, allowances = pickle.load(sys.stdin.buffer)  # noqa: S301 - the test's own
queue = open_queue(database)
for one in incoming:
    record_instance(database, queue, one, timing=timing, allowances=allowances)

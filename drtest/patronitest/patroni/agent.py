"""Runs Patroni's agent. That of a replica waits first until the first member leads: an agent that finds a replica, and no
cluster in the store, ends."""

import http.client
import os
import sys
import time
import urllib.request

import patroni.dcs.etcd3  # meanwhile, since the imports take most of a start
from patroni.__main__ import main


def leads(member):
    try:
        return urllib.request.urlopen(f"http://{member}:8008/leader", timeout=5).status == 200
    except (OSError, http.client.HTTPException):
        return False


if __name__ == "__main__":  # the process by which the agent starts a server imports this file
    first = os.environ.pop("PGTEST_AWAIT", "")
    while first and not leads(first):
        time.sleep(0.1)
    sys.exit(main())

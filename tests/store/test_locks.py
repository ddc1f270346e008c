from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from laststage.store.locks import alone
from laststage.store.root import Store

WORKING = """
import sys, time
from laststage.store.locks import alone
from laststage.store.root import Store
with alone(Store(sys.argv[1]), sys.argv[2]):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_the_same_work_is_done_by_one_at_a_time(store: Store) -> None:
    inside, most, waited = [0], [0], [0]
    guard = threading.Lock()

    def work() -> None:
        with alone(store, "the same") as has_waited:
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                waited[0] += has_waited
            time.sleep(0.01)
            with guard:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert waited[0] >= 6
    assert os.listdir(store.path("locks")) == ["work"]


def test_other_work_is_done_beside_it(store: Store) -> None:
    with alone(store, "one") as one, alone(store, "two") as two, alone(store, "three") as three:
        assert (one, two, three) == (False, False, False)


def test_who_is_killed_is_waited_for_no_longer(store: Store) -> None:
    line = [sys.executable, "-c", WORKING, store.root, "work"]
    process = subprocess.Popen(line, stdout=-1, text=True)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    told: list[int] = []

    def waiting() -> None:
        told.append(1)
        process.send_signal(signal.SIGKILL)

    with alone(store, "work", waiting=waiting) as has_waited:
        assert has_waited
    assert told == [1]
    process.communicate()


def test_who_is_stopped_does_not_wait_on(store: Store, tmp_path: Path) -> None:
    stopped = threading.Event()
    with (
        alone(store, "work"),
        alone(store, "work", waiting=stopped.set, is_stopped=stopped.is_set) as has_waited,
    ):
        assert has_waited
    with alone(store, "work") as has_waited:
        assert not has_waited

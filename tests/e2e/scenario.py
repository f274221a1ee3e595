# SPDX-License-Identifier: Apache-2.0
"""The frame of scenarios: a function with a title, run one by one, counted like every test here.

    @scenario("a refused connection fails at once and is told")
    def refused():
        with Cluster() as c:
            ...

`check` compares and says what differs; skip(reason) ends a scenario that cannot run here.
usage: run [-l] [-v] [WORD]...: only the scenarios whose module or title holds one of the words
"""
import glob
import importlib
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
scenarios = []


class Skipped(Exception):
    pass


def skip(reason):
    raise Skipped(reason)


def scenario(title):
    def register(function):
        scenarios.append((function.__module__, title, function))
        return function
    return register


def check(got, want, what=""):
    if got != want:
        raise AssertionError("%s%r, not %r" % (what + ": " if what else "", got, want))


def check_in(got, wants, what=""):
    if got not in wants:
        raise AssertionError("%s%r, not one of %r" % (what + ": " if what else "", got, wants))


def interrupted(number, frame):
    sys.exit(128 + number)  # the stack unwinds, clusters close


def main(argv):
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    for path in sorted(glob.glob(os.path.join(HERE, "*_test.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    words = [w for w in argv if not w.startswith("-")]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for module, title, function in scenarios:
        if words and not any(w in module or w in title for w in words):
            continue
        if "-l" in argv:
            print("%s: %s" % (module, title))
            continue
        begin, result = time.monotonic(), "passed"
        try:
            function()
        except Skipped as reason:
            result = "skipped"
            print("SKIP %s: %s: %s" % (module, title, reason))
        except Exception as error:
            result = "failed"
            print("FAIL %s: %s" % (module, title))
            print("  " + "  ".join(traceback.format_exception(error)[-3:]))
        counts[result] += 1
        if "-v" in argv or result == "failed":
            print("%-7s %5.1f s  %s: %s" % (result, time.monotonic() - begin, module, title), flush=True)
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] else 0

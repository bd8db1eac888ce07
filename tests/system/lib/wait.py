"""Waiting for a condition: never a sleep that hopes."""
import time


def until(condition, timeout=30.0, what=None, every=0.05):
    """Calls condition until it returns something true, which is returned. An AssertionError names what did not come."""
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (ConnectionError, TimeoutError) as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or condition.__name__} (last: {last!r})")
        time.sleep(every)

"""Work in several processes, by joblib."""

import os

import joblib
from joblib.externals.loky.backend import resource_tracker

# joblib's process that looks after shared resources complains, on stderr and now and then, when a
# failed job has the others stopped; it then removes what they left. The error alone is enough.
_QUIET = "ignore:resource_tracker:UserWarning"


def parallel(num_jobs: int, ordered: bool = False) -> joblib.Parallel:
    """What takes `joblib.delayed` calls and hands over each result as it comes.

    With `ordered` the results come in the order of the calls.

    Runs in `num_jobs` local processes, or where a surrounding ``joblib.parallel_config`` says;
    not every cluster's backend can hand over results before the last is there.
    """
    if num_jobs > 1:
        _start_resource_tracker()
    try:
        return_as = "generator" if ordered else "generator_unordered"
        return joblib.Parallel(n_jobs=num_jobs, return_as=return_as)
    except ValueError:
        return joblib.Parallel(n_jobs=num_jobs)


def _start_resource_tracker() -> None:
    """Start that process, if it does not run yet, with the filter in its environment only."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [before, _QUIET]))
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before

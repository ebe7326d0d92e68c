"""Work in several processes, by joblib."""

import os

import joblib

# joblib's process that looks after shared resources complains, on stderr and now and then, when a
# failed job has the others stopped; it then removes what they left. The error alone is enough.
_QUIET = "ignore:resource_tracker:UserWarning"


def parallel(num_jobs: int) -> joblib.Parallel:
    """What takes `joblib.delayed` calls and hands over each result as it comes.

    Runs in `num_jobs` local processes, or where a surrounding ``joblib.parallel_config`` says;
    not every cluster's backend can hand over results before the last is there.
    """
    filters = os.environ.get("PYTHONWARNINGS", "").split(",")
    if _QUIET not in filters:  # inherited by that process, which joblib is about to start
        os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [*filters, _QUIET]))
    try:
        return joblib.Parallel(n_jobs=num_jobs, return_as="generator_unordered")
    except ValueError:
        return joblib.Parallel(n_jobs=num_jobs)

"""Work on many recordings at a time, in threads."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import joblib
from threadpoolctl import threadpool_limits

Each = Callable[[Callable, Iterable], Iterable]
"""Like `map`: applies a function to each item, and gives the results in the order of the items."""


@contextlib.contextmanager
def threads(num_jobs: int) -> Iterator[Each]:
    """A `map` in so many threads.

    They share the model; the work is that of NumPy and LAPACK. Within each, BLAS has a single
    thread, as the matrices of a recording are too small for several.
    """
    with (
        threadpool_limits(1, user_api="blas"),
        joblib.Parallel(num_jobs, backend="threading", return_as="generator") as pool,
    ):
        yield lambda function, items: pool(joblib.delayed(function)(item) for item in items)

"""Exercises that check themselves: ``check.l_bc(your_function)``.

Each chapter has a module here, ``chapter_N``, that adds its exercises to `EXERCISES`.
"""

import importlib
import pkgutil

from .exercises import EXERCISES

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    if _module.startswith("chapter_"):
        importlib.import_module(f"{__name__}.{_module}")


def __getattr__(name: str):
    if name in EXERCISES:
        return EXERCISES[name]
    raise AttributeError(f"there is no exercise {name!r}; there are {', '.join(EXERCISES)}")


def __dir__():
    return sorted([*globals(), *EXERCISES])

"""Things found by name: losses, networks, corpora, back-ends, schedules; and plugins that add some.

A user's own module adds entries when it is imported, for example::

    from speaker_bases.evaluate.backends import BACKENDS

    BACKENDS.add("manhattan", Manhattan())

It is found if its package names it as an entry point of the group `speaker_bases.plugins`, or if a
tool is given ``--plugin MODULE``. It is never named in a YAML file or in a saved configuration: to
score somebody's folder must not run somebody's code.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from .backend import without_chatter
from .command_line import InputError

ENTRY_POINTS = "speaker_bases.plugins"

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order in which they were added.

    Args:
        what: what an entry is, for messages: "back-end".
    """

    def __init__(self, what: str):
        self.what = what
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, entry: Entry) -> None:
        """Add an entry.

        Raises:
            InputError: the name is taken.
        """
        if name in self._entries:
            raise InputError(f"there is a {self.what} {name!r} already; choose another name")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise KeyError(f"no such {self.what} {name!r}; there are {', '.join(self)}") from None

    def find(self, name: str) -> Entry:
        """The entry of a name that a user gave.

        Raises:
            InputError: there is none.
        """
        if name not in self._entries:
            raise InputError(
                f"no such {self.what} {name!r}; there are {', '.join(self)} (one of your own needs "
                "--plugin)"
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Give a parser ``--plugin``, for its help; `load_plugins` has acted on it by then."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of yours, or its .py file, that adds losses, networks, corpora, back-ends "
        "or schedules; may be repeated",
    )


def load_plugins(argv: list[str] | None) -> None:
    """Import the installed plugins and those that a command line names with ``--plugin``.

    Raises:
        InputError: one cannot be imported.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--plugin", action="append", default=[])
    named = parser.parse_known_args(argv)[0].plugin
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        _import(entry.name, entry.load)
    for module in named:
        _import(f"--plugin {module}", lambda module=module: _load(module))


def _load(module: str) -> None:
    if not module.endswith(".py"):
        importlib.import_module(module)
        return
    name = Path(module).stem
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, module)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise


def _import(name: str, load) -> None:
    try:
        with without_chatter():  # it may import Keras
            load()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name}: cannot be imported: {type(error).__name__}: {error}") from error

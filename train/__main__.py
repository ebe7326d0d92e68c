"""`python -m speaker_bases.train`: stage 2 for one system and one seed."""

import argparse

import joblib

from ..backend import check_backend, load_keras
from ..command_line import interrupted, run_tool, whole_number
from ..registry import add_plugin_option, load_plugins


def main(argv: list[str] | None = None) -> int:
    """Train, or go on training, one system; 0 when complete, 1 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.train",
        description="Train one system with one seed. Started again, it goes on from its last "
        "checkpoint, or an i-vector system from its last iteration; a complete one is left alone.",
    )
    parser.add_argument("--system", required=True, help="conf/systems/<system>.yaml")
    parser.add_argument("--corpus", required=True, help="conf/corpora/<corpus>.yaml")
    parser.add_argument(
        "--data-dir", required=True, metavar="DIR", help="training data directory with features"
    )
    parser.add_argument("--run", required=True, help="where to train, <exp>/<system>/seed<k>")
    parser.add_argument("--seed", type=whole_number(0), default=0)
    parser.add_argument("--epochs", type=whole_number(1), help="instead of the corpus file's")
    parser.add_argument(
        "--validation-speakers",
        type=whole_number(2),
        metavar="K",
        help="hold out K training speakers, drawn by the seed, and keep the epoch with the lowest "
        "equal error rate on them instead of the last; --set validation.every=5 measures it every "
        "fifth epoch, validation.pairs bounds how many pairs are scored (20000)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="any other setting, such as losses.hard_negative.num_negatives=50; may be repeated",
    )
    parser.add_argument(
        "--workers",
        type=whole_number(1),
        default=1,
        help="threads that read features ahead, if 2 or more; with 1 TensorFlow has one of its "
        "own, and JAX reads between the steps",
    )
    parser.add_argument(
        "--nj",
        type=whole_number(1),
        default=joblib.cpu_count(),
        help="threads that an i-vector system is trained in (default: one for each processor, "
        "%(default)s)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only say whether the settings are right and fit the data; builds and writes nothing",
    )
    add_plugin_option(parser)
    args = parser.parse_args(argv)

    def body() -> int:
        check_backend()
        load_plugins(argv)
        from .config import load_config
        from .data import training_data

        overrides = list(args.overrides)
        if args.epochs is not None:
            overrides.append(f"epochs={args.epochs}")
        if args.validation_speakers is not None:
            overrides.append(f"validation.speakers={args.validation_speakers}")
        config = load_config(args.system, args.corpus, overrides)
        if "ivector" in config:
            from .ivector_system import check_ivector, train_ivector

            if args.check:
                check_ivector(config, args.data_dir)
            else:
                train_ivector(config, args.data_dir, args.run, args.seed, args.nj)
            return 0
        if args.check:
            training_data(args.data_dir, config, args.seed)[0].check(config)
            load_keras()
            from .systems import network_settings

            network_settings(config)
            return 0
        load_keras()  # takes seconds: not before the settings are known to be good
        from .trainer import train

        complete = train(config, args.data_dir, args.run, seed=args.seed, workers=args.workers)
        return 0 if complete else interrupted()

    return run_tool(body)


if __name__ == "__main__":
    raise SystemExit(main())

"""Install the project's folders as one import package, ``speaker_bases``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOMS = ["speaker_bases", "kaldi_feats", "ivector", "models", "losses"]
ROOMS += ["train", "evaluate", "verify"]

# The folder `speaker_bases/` is the package's root, and a folder `losses/` beside it is imported as
# `speaker_bases.losses`: top-level packages called `models` or `evaluate` would clash with other
# people's.
package_dir = {}
for room in ROOMS:
    name = room if room == "speaker_bases" else f"speaker_bases.{room}"
    package_dir[name] = room
    package_dir |= {f"{name}.{s}": f"{room}/{s.replace('.', '/')}" for s in find_packages(room)}

EXPORTED_NOTEBOOK = ["nbconvert>=7.16,<8", "latex2mathml>=3.77,<4"]

TEST = [
    *EXPORTED_NOTEBOOK,
    "pytest>=8,<10",
    "pytest-timeout>=2.3,<3",
    "hypothesis>=6.100,<7",
    "nbclient>=0.10,<1",
    "ipykernel>=6.29,<8",
    "ruff>=0.14,<1",
]

EXPORT = [
    "tf2onnx>=1.17,<2",
    "onnx>=1.17,<2",
    "onnxruntime>=1.20,<2",
    "ai-edge-litert>=2.0,<3",
]

setup(
    name="speaker-bases",
    version=re.search('__version__ = "(.*)"', Path("speaker_bases/__init__.py").read_text())[1],
    description="Speaker verification with losses on speaker basis vectors (Heo et al. 2019)",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",  # as path.sh; TensorFlow has wheels for no others
    packages=list(package_dir),
    package_dir=package_dir,
    package_data={
        "speaker_bases.kaldi_feats": ["*.sh"],
        "speaker_bases.kaldi_feats.fbank": ["*.sh"],
    },
    install_requires=[
        "tensorflow>=2.20,<2.22",
        "keras>=3.14,<3.16",
        "numpy>=2.0,<3",
        "kaldiio>=2.18,<3",
        "kaldi-native-fbank>=1.21,<2",
        "soundfile>=0.13,<1",
        "soxr>=0.5,<2",
        "pandas>=2.2,<4",
        "scikit-learn>=1.5,<2",
        "scipy>=1.13,<2",
        "joblib>=1.4,<2",
        "tqdm>=4.66,<5",
        "PyYAML>=6.0.2,<7",
        "matplotlib>=3.9,<4",
        "tensorboardX>=2.6,<3",
    ],
    entry_points={"console_scripts": ["speaker-bases=speaker_bases.verify.__main__:main"]},
    extras_require={
        "synthetic": ["espeakng-loader>=0.2.4,<1"],
        "test": TEST,
        "notebook": ["notebook>=7.2,<8", "ipykernel>=6.29,<8", *EXPORTED_NOTEBOOK],
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        "export": EXPORT,
        "jax": ["jax>=0.7,<0.12"],
        "jax-gpu": ["jax[cuda12]>=0.7,<0.12"],
    },
)

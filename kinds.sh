# shellcheck shell=bash
# Sourced by run.sh and experiments/real_speech.sh: which features a system asks for, and where they
# are; see kaldi_feats/make_features.sh.

kind_of() { # CONF SYSTEM: its kind of features
  local kind
  kind=$(sed -n 's/^feature_kind: *\([a-z0-9_]*\).*/\1/p' "$1/systems/$2.yaml")
  echo "${kind:-fbank}"
}

kind_dir() { # DATA_DIR KIND: the data directory with features of that kind
  if [ "$2" = fbank ]; then echo "$1"; else echo "$1_$2"; fi
}

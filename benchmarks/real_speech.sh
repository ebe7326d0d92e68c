#!/usr/bin/env bash
# All systems, several seeds, and the ablation behind the defaults, on real speech in LibriSpeech's
# layout: the runs of benchmarks/real_speech/runs.txt, one after the other, each scored on whole
# test utterances and on their first 2 s. Every finished run adds its lines to the CSV; a run that
# the CSV has is not made again, one that was interrupted goes on where it stopped. At the end the
# figures are drawn; benchmarks/real_speech/tables.py makes the tables.
#
# Usage: benchmarks/real_speech.sh --corpus-dir DIR --trials FILE [options]
#
# Options (--name value) and their defaults:
corpus_dir=                 # a folder in LibriSpeech's layout
trials=                     # trial list in VoxCeleb's format
runs=benchmarks/real_speech/runs.txt
csv=docs/real-speech/results.csv
figures=docs/real-speech    # where the figures go; "" for none
data=data_real_speech       # data directories
exp=exp_real_speech         # trained systems
train_opts="--set dtype_policy=mixed_bfloat16"
                            # more options of each training. bfloat16 is faster where the
                            # processor has its instructions (avx512_bf16, amx) or on a GPU; on
                            # others give --train-opts ""
use_active_env=false        # true: the Python environment that is active, instead of .venv
# Environment: as for run.sh.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
this=benchmarks/real_speech.sh
options=" corpus_dir trials runs csv figures data exp train_opts use_active_env "

fail() { echo "$this: error: $*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^$/p' "$this" | sed -E 's/^# ?//; s/^([a-z]+)_([a-z_]*=)/\1-\2/; s/^[a-z-]+=/  --&/'; exit 0 ;;
    --*) [ $# -ge 2 ] || fail "$1 takes a value; see $this --help" ;;
    *) fail "unexpected argument $1; see $this --help" ;;
  esac
  name=${1#--}
  name=${name//-/_}
  [[ $options == *" $name "* ]] || fail "unknown option $1; see $this --help"
  printf -v "$name" %s "$2"
  shift 2
done
[ -d "$corpus_dir" ] || fail "--corpus-dir is '$corpus_dir', which is no folder"
[ -f "$trials" ] || fail "--trials is '$trials', which is no file"
[ -f "$runs" ] || fail "--runs is '$runs', which is no file"

./run.sh --stop-stage 1 --corpus librispeech --corpus-dir "$corpus_dir" --trials "$trials" \
  --data "$data" --use-active-env "$use_active_env"
# shellcheck source=path.sh
. ./path.sh
export USE_ACTIVE_ENV=$use_active_env
activate_environment "" || exit 1
short=$data/test_2s
if [ ! -f "$short/feats.scp" ]; then
  python benchmarks/real_speech/pieces.py "$data/test" "$short" --seconds 2
fi
kaldi_feats/make_fbank.sh --nj 1 "$short"

embed() { # SYSTEM: embeddings of both test sets
  local set
  for set in "$data/test" "$short"; do
    python -m speaker_bases.evaluate.embed --system "$1" --data "$set"
  done
}

score() { # SYSTEM: scores of both test sets
  local set list
  for set in "$data/test" "$short"; do
    for list in "$set"/trials/*; do
      python -m speaker_bases.evaluate.score --system "$1" --data "$set" --list "${list##*/}"
    done
  done
}

recorded() { grep -qs "^$1,$2,$3,$(basename "$short"/trials/*)," "$csv"; } # NAME SEED EPOCHS

record() { # SYSTEM SETTINGS COMMAND
  python benchmarks/real_speech/record.py --csv "$csv" --system "$1" --data "$data/test" "$short" \
    --settings "$2" --command "$3"
}

mkdir -p "$(dirname "$csv")"
if ! recorded baseline 0 0; then
  for set in test test_2s; do
    python -m speaker_bases.evaluate.baseline --exp "$exp" --data "$data" --set "$set"
  done
  score "$exp/baseline/seed0"
  record "$exp/baseline/seed0" "" "python -m speaker_bases.evaluate.baseline"
fi

while read -r name system epochs seeds settings; do
  case $name in "" | \#*) continue ;; esac
  for seed in ${seeds//,/ }; do
    recorded "$name" "$seed" "$epochs" && continue
    echo "$(date +%H:%M:%S) $name, seed $seed, $epochs epochs"
    out=$exp/$name/seed$seed
    # shellcheck disable=SC2206 # several options in one word
    command=(python -m speaker_bases.train --system "conf/systems/$system.yaml"
      --corpus conf/corpora/librispeech.yaml --data "$data/train" --out "$out"
      --seed "$seed" --epochs "$epochs" $train_opts)
    for setting in $settings; do
      command+=(--set "$setting")
    done
    "${command[@]}" </dev/null
    embed "$out" </dev/null
    score "$out" </dev/null
    record "$out" "$settings" "${command[*]}" </dev/null
  done
done <"$runs"
echo "$(date +%H:%M:%S) every run of $runs is in $csv"
[ -n "$figures" ] || exit 0

# The figures, of seed 0: DET curves and losses of the systems, Figure 1, Figure 2. A training
# utterance is cut into pieces as long as a crop: a speaker with one embedding has no cluster to draw.
has() { [ -f "$exp/$1/seed0/embedder.keras" ]; } # SYSTEM
trained=()
for name in softmax center am_softmax ge2e proposed1 hard_negative proposed2; do
  if has $name; then trained+=("$exp/$name/seed0"); fi
done
if [ ${#trained[@]} -eq 0 ]; then
  echo "no figures: $csv has all runs, but $exp has no systems; --csv makes results of your own"
  exit 0
fi
baseline=()
if [ -d "$exp/baseline/seed0/scores" ]; then baseline=("$exp/baseline/seed0"); fi
for list in "$data/test" "$short"; do
  trials=$(basename "$list"/trials/*)
  python -m speaker_bases.evaluate.figures det --systems "${baseline[@]}" "${trained[@]}" \
    --data "$list" --list "$trials" --out "$figures/det-$trials.png"
done
python -m speaker_bases.evaluate.figures curves --systems "${trained[@]}" \
  --out "$figures/losses.png"
pieces=$data/train_pieces
if [ ! -f "$pieces/feats.scp" ]; then
  python benchmarks/real_speech/pieces.py "$data/train" "$pieces" --seconds 1.2 --pieces 10
fi
kaldi_feats/make_fbank.sh --nj 2 "$pieces"
for system in "$exp"/{softmax,center,proposed1,hard_negative,proposed2}/seed[0-9]; do
  if [ -f "$system/embedder.keras" ]; then
    python -m speaker_bases.evaluate.embed --system "$system" --data "$pieces"
  fi
done
for name in softmax proposed1 proposed2; do
  if has $name; then
    python -m speaker_bases.evaluate.figures speakers --system "$exp/$name/seed0" \
      --data "$pieces" --out "$figures/speakers-$name.png"
  fi
done
# Without and with L_BC: the pair of the paper's Figure 2, and L_H's. The means of every seed are
# kept, and the picture of seed 0.
means=()
for pair in "center proposed1" "hard_negative proposed2"; do
  read -r without with <<<"$pair"
  for folder in "$exp/$with"/seed[0-9]; do
    beside=$exp/$without/${folder##*/}
    if [ -f "$beside/embedder.keras" ] && [ -f "$folder/embedder.keras" ]; then
      said=$(python -m speaker_bases.evaluate.figures impostors --data "$pieces" \
        --systems "$beside" "$folder" --out "$folder/impostors.png" 2>&1) || fail "$said"
      means+=("$(sed -n 's/.* INFO \(L_.* cosines (.*\)/\1/p' <<<"$said")")
    fi
  done
  if has "$with" && has "$without"; then
    cp "$exp/$with/seed0/impostors.png" "$figures/impostors-$with.png"
  fi
done
[ ${#means[@]} -eq 0 ] || printf '%s\n' "${means[@]}" >"$figures/impostors.txt"

#!/usr/bin/env bash
# The comparison on real speech: the runs of experiments/real_speech/runs.txt, one after the other,
# each scored on every trial list. Every finished run adds its lines to the CSV and its scores to
# the folder scores/ beside it; a run that the CSV has is not made again, one that was interrupted
# goes on where it stopped.
#
# Usage: experiments/real_speech.sh --corpus-dir DIR --trials PATH [options]
#
# Options (--name value or --name=value) and their defaults:
corpus_dir=                 # a folder in LibriSpeech's layout, such as open-sv's corpus/
trials=                     # folder of trial lists in VoxCeleb's format, or one list
corpus=experiments/real_speech/open-sv.yaml
                            # crops, schedule and data type of every run
runs=experiments/real_speech/runs.txt
csv=docs/real-speech/runs.csv
held_out=25                 # speakers held out of the training set `kept`
part=so                     # how the speakers of the subset `so762` begin, and those held out
data=data_real_speech       # data directories
exp=exp_real_speech         # trained systems
train_opts=                 # more options of each training. The YAML's bfloat16 is faster where the
                            # processor has its instructions (avx512_bf16, amx) or on a GPU; on
                            # others give --train-opts "--set dtype_policy=float32"
use_active_env=false        # true: the Python environment that is active, instead of .venv
gpu=true                    # false: no CUDA into .venv, which is gigabytes, even if there is a GPU
# Environment: as for run.sh. Relative paths of these options are of the folder that it is called in.

set -euo pipefail
caller=$PWD
root=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/..
# shellcheck source=kaldi_feats/parse_options.sh
. "$root/kaldi_feats/parse_options.sh"
[ $# -eq 0 ] || fail_usage "unexpected argument $1"
[ -d "$corpus_dir" ] || fail "--corpus-dir is '$corpus_dir', which is no folder"
[ -e "$trials" ] || fail "--trials is '$trials', which is not there"
cd "$root"
take_paths_from "$caller" corpus_dir trials corpus runs csv data exp
[ -f "$runs" ] || fail "--runs is '$runs', which is no file"

# shellcheck source=kinds.sh
. ./kinds.sh
# Filter banks in any case: they are the baseline's.
systems=$({ echo softmax; awk '!/^#/ && NF { print $2 }' "$runs"; } | sort -u)
./run.sh --stop-stage 1 --corpus librispeech --corpus-dir "$corpus_dir" --trials "$trials" \
  --systems "${systems//$'\n'/ }" --data "$data" --use-active-env "$use_active_env" --gpu "$gpu"
# shellcheck source=path.sh
. ./path.sh
export USE_ACTIVE_ENV=$use_active_env USE_GPU=$gpu
activate_environment "" || exit 1
parts=experiments/real_speech/data_sets.py
for kind in $(for system in $systems; do kind_of conf "$system"; done | sort -u); do
  of_kind=("$(kind_dir "$data/train" "$kind")" "$(kind_dir "$data/so762" "$kind")"
    "$(kind_dir "$data/kept" "$kind")" "$(kind_dir "$data/held_out" "$kind")")
  python $parts subset "${of_kind[0]}" "${of_kind[1]}" --of "$part"
  python $parts hold-out "${of_kind[0]}" "${of_kind[@]:2}" --speakers "$held_out" --of "$part"
done

recorded() { grep -qs "^$1,$2,$3," "$csv"; } # NAME SEED EPOCHS

score_and_record() { # RUN TEST_SET TRAINED_ON SETTINGS COMMAND
  python -m speaker_bases.evaluate.score --run "$1" --data-dir "$2" --train-dir "$data/$3"
  python experiments/real_speech/record.py --csv "$csv" --run "$1" --data-dir "$2" \
    --trained-on "$3" --settings "$4" --command "$5"
}

mkdir -p "$(dirname "$csv")"
if ! recorded baseline 0 0; then
  python -m speaker_bases.evaluate.baseline --exp "$exp" --data-dir "$data/test"
  score_and_record "$exp/baseline/seed0" "$data/test" - "" \
    "python -m speaker_bases.evaluate.baseline"
fi

while read -r name system set epochs seeds settings; do
  case $name in "" | \#*) continue ;; esac
  test_set=$data/test
  [ "$set" != kept ] || test_set=$data/held_out
  for seed in ${seeds//,/ }; do
    recorded "$name" "$seed" "$epochs" && continue
    echo "$(date +%H:%M:%S) $name, seed $seed, $epochs epochs on $set"
    out=$exp/$name/seed$seed
    kind=$(kind_of conf "$system")
    # shellcheck disable=SC2206 # several options in one word
    command=(python -m speaker_bases.train --system "conf/systems/$system.yaml" --corpus "$corpus"
      --data-dir "$(kind_dir "$data/$set" "$kind")" --run "$out" --seed "$seed" --epochs "$epochs"
      $train_opts)
    for setting in $settings; do
      command+=(--set "$setting")
    done
    "${command[@]}" </dev/null
    embedded=("$test_set")
    # For backends.py and geometry.py, and back-ends that learn.
    if [ "$set" = train ] || grep -q '^backend:' "conf/systems/$system.yaml"; then
      embedded+=("$data/$set")
    fi
    for folder in "${embedded[@]}"; do
      python -m speaker_bases.evaluate.embed --run "$out" --name "$(basename "$folder")" \
        --data-dir "$(kind_dir "$folder" "$kind")" </dev/null
    done
    score_and_record "$out" "$test_set" "$set" "$settings" "${command[*]}" </dev/null
  done
done <"$runs"
echo "$(date +%H:%M:%S) every run of $runs is in $csv"

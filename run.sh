#!/usr/bin/env bash
# The recipe: from a corpus to a table of equal error rates, stage by stage.
#
# Usage: ./run.sh [options]
#
# Stages:
#   0  corpus -> data directories and trial lists      data/{train,test}
#   1  64-dim fbank, 3-s sliding mean                  data/{train,test}/{feats.scp,...}
#      other kinds of features that systems ask for    data/{train,test}_<kind>/{feats.scp,...}
#   2  train each system with each seed                exp/<system>/seed<k>
#   3  whole-utterance embeddings                      exp/<system>/seed<k>/embeddings
#   4  score each trial list                           exp/<system>/seed<k>/scores
#   5  tables, figures, report                         exp/{results.csv,RESULTS.md,report.html}
# A stage skips what is complete and redoes what a changed option touches. After Ctrl-C the same
# command goes on where it stopped. The console shows where it is; what the tools say goes into logs:
# data/log, data/{train,test}/log, exp/<system>/seed<k>/log and exp/log.
#
# It can be called from any folder: relative paths of the options below are of that folder, the
# defaults of the project's.
#
# Options (--name value or --name=value) and their defaults:
stage=0                     # first stage to run
stop_stage=5                # last stage to run
conf=conf                   # folder of systems/*.yaml and corpora/*.yaml
corpus=synthetic            # one of conf/corpora: synthetic, librispeech, voxceleb1, voxceleb2, or
                            # speech of your own: folders, kaldi
corpus_dir=                 # where the corpus is (not for synthetic, which is made under --data)
test_corpus_dir=            # voxceleb2: where VoxCeleb1 is, which is all for test
download=false              # librispeech: fetch the public mini-librispeech into --corpus-dir
train_dirs=                 # folders: those that hold a folder for each training speaker
test_dirs=                  # folders: the same for test
train_data=                 # kaldi: data directory of the training speakers
test_data=                  # kaldi: data directory of the test speakers
scp_root=                   # kaldi: where relative paths in its scp files start; without it the
                            # folder that this is called from
trials=                     # trial lists, and folders of them
                            # librispeech: without it, all pairs
                            # voxceleb: without it, those in VoxCeleb1's folder
                            # folders, kaldi: without it, trials are drawn
systems=                    # which of conf/systems/*.yaml; without it those that the corpus's file
                            # names
seeds="0"                   # one training for each system and seed
data=data                   # data directories
exp=exp                     # trained systems, scores and results
nj=                         # parallel jobs of stages 0 and 1, and of i-vectors; without it one for
                            # each processor
epochs=                     # instead of the corpus file's
allow_missing=false         # true: go on without what is missing, with its count in every table: a
                            # corpus that is not complete, trials of utterances without features
backend=                    # cosine, bvector, plda, as-norm-bases or as-norm-means; each system's own
                            # without it, bvector for vox2_*
fbank_config=conf/fbank.conf  # options of compute-fbank-feats, which the embedded extractor reads too
prepare_opts=               # more options for stage 0: python -m speaker_bases.kaldi_feats.prepare
fbank_opts=                 # more options for stage 1: kaldi_feats/make_features.sh
train_opts=                 # more options for stage 2, such as "--set bn_momentum=0.99"
backend_opts=               # more options for stage 4, such as "--set epochs=40" (bvector) or
                            # "--set lda_dim=64" (plda)
audit=false                 # true: no stage; read all of --data and --exp, say what is damaged, change
                            # nothing
plugin=                     # a module of yours that adds losses, networks, corpora or back-ends
use_active_env=false        # true: the Python environment that is active, instead of .venv
gpu=true                    # false: no CUDA into .venv, which is gigabytes, even if there is a GPU
# Environment: KALDI_ROOT (stage 1 by Kaldi's own programs), train_cmd (run.pl, queue.pl, ...),
# KERAS_BACKEND (tensorflow or jax), PYTHON (what .venv is made with).

set -euo pipefail
caller=$PWD
command="./run.sh${*:+$(printf ' %q' "$@")}"
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=kaldi_feats/parse_options.sh
. kaldi_feats/parse_options.sh
[ $# -eq 0 ] || fail_usage "unexpected argument $1"
take_paths_from "$caller" conf corpus_dir test_corpus_dir train_data test_data scp_root data exp \
  fbank_config
split_paths_from "$caller" trials train_dirs test_dirs
[[ $plugin != *.py ]] || take_paths_from "$caller" plugin

for name in nj epochs; do # without them the tools decide
  [[ ${!name} =~ ^[1-9][0-9]*$ || (-z ${!name} && $name = epochs) ]] || ! is_given "$name" ||
    fail "--$name is a whole number, 1 or more, not '${!name}'"
done
[[ $stage =~ ^[0-5]$ && $stop_stage =~ ^[0-5]$ ]] || fail "--stage and --stop-stage are 0 to 5"
[ "$stage" -le "$stop_stage" ] || fail "--stage $stage is behind --stop-stage $stop_stage: nothing to do"
[ -f "$conf/corpora/$corpus.yaml" ] ||
  fail "--corpus: no such corpus '$corpus'; there are: $(cd "$conf/corpora" && echo *.yaml | sed 's/\.yaml//g')"
named_systems=$(sed -n 's/^systems: *\([^#]*[^# ]\).*/\1/p' "$conf/corpora/$corpus.yaml")
systems=${systems:-$named_systems}
[[ $systems =~ [^[:space:]] ]] || fail "--systems is empty; such as \"softmax proposed2\""
[[ $seeds =~ [^[:space:]] ]] || fail "--seeds is empty; such as \"0 1\""
for system in $systems; do
  [ -f "$conf/systems/$system.yaml" ] ||
    fail "--systems: no such system '$system'; there are: $(cd "$conf/systems" && echo *.yaml | sed 's/\.yaml//g')"
done
for seed in $seeds; do
  [[ $seed =~ ^[0-9]+$ ]] || fail "--seeds are whole numbers, not '$seed'"
done

[[ ${KERAS_BACKEND:-tensorflow} =~ ^(tensorflow|jax)$ ]] ||
  fail "KERAS_BACKEND is tensorflow or jax for this recipe, not '$KERAS_BACKEND'"

# shellcheck source=path.sh
. ./path.sh
# shellcheck source=logged.sh
. ./logged.sh
# shellcheck source=kinds.sh
. ./kinds.sh
export USE_ACTIVE_ENV=$use_active_env USE_GPU=$gpu
extras=
[ "$corpus" != synthetic ] || extras=synthetic
[ "${KERAS_BACKEND:-}" != jax ] || extras="$extras jax"
activate_environment "$extras" || exit 1

runs=()
for system in $systems; do
  for seed in $seeds; do
    runs+=("$exp/$system/seed$seed")
  done
done
plugins=()
[ -z "$plugin" ] || plugins=(--plugin "$plugin")
jobs=(${nj:+--nj "$nj"})
if [ "$audit" = true ]; then
  exec python -m speaker_bases.evaluate.audit --data "$data" --exp "$exp" "${jobs[@]}" "${plugins[@]}"
fi
kinds=$(for system in $systems; do kind_of "$conf" "$system"; done | sort -u)
begin_stage() { echo "$(date +%H:%M:%S) stage $1: $2"; }
runs_stage() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]; }

# Options kept in one variable are split into words on purpose from here on.
# shellcheck disable=SC2086
if runs_stage 0; then
  begin_stage 0 "$corpus -> data directories in $data"
  from=()
  [ -z "$train_data" ] || scp_root=${scp_root:-$caller}
  for name in corpus_dir test_corpus_dir train_dirs test_dirs train_data test_data scp_root trials; do
    [ -n "${!name}" ] || continue
    mapfile -t values <<< "${!name}"
    from+=("--${name//_/-}" "${values[@]}")
  done
  [ "$download" = false ] || from+=(--download)
  [ "$allow_missing" = false ] || from+=(--allow-missing)
  run_logged "$data/log/prepare.log" python -m speaker_bases.kaldi_feats.prepare "$corpus" \
    --data "$data" "${jobs[@]}" "${from[@]}" "${plugins[@]}" $prepare_opts
fi

# shellcheck disable=SC2086
if runs_stage 1; then
  for kind in $kinds; do
    for set in train test; do
      folder=$(kind_dir "$data/$set" "$kind")
      begin_stage 1 "features of $folder"
      run_logged "$folder/log/features.log" kaldi_feats/make_features.sh --kind "$kind" "${jobs[@]}" \
        --fbank-config "$fbank_config" --allow-missing "$allow_missing" $fbank_opts "$data/$set"
    done
  done
fi

# shellcheck disable=SC2086,SC2206
set_train_command() { # RUN
  local system=${1#"$exp/"}
  train_command=(python -m speaker_bases.train --system "$conf/systems/${system%/*}.yaml"
    --corpus "$conf/corpora/$corpus.yaml" --run "$1"
    --data-dir "$(kind_dir "$data/train" "$(kind_of "$conf" "${system%/*}")")"
    --seed "${1##*seed}" ${epochs:+--epochs "$epochs"} "${jobs[@]}" "${plugins[@]}" $train_opts)
}

if runs_stage 2; then
  for system in $systems; do # now, and not after days of training the systems before
    set_train_command "$exp/$system/seed0"
    "${train_command[@]}" --check
  done
  for run in "${runs[@]}"; do
    begin_stage 2 "train $run"
    set_train_command "$run"
    run_logged "$run/log/train.log" "${train_command[@]}"
  done
fi

baseline=
[[ $kinds != *fbank* ]] || baseline=$exp/baseline/seed0 # of filter banks
if runs_stage 3; then
  if [ -n "$baseline" ]; then
    begin_stage 3 "embeddings of $baseline"
    run_logged "$baseline/log/embed.log" python -m speaker_bases.evaluate.baseline --exp "$exp" \
      --data-dir "$data/test"
  fi
  for run in "${runs[@]}"; do
    begin_stage 3 "embeddings of $run"
    kind=$(kind_of "$conf" "$(basename "$(dirname "$run")")")
    for set in test train; do
      run_logged "$run/log/embed.log" python -m speaker_bases.evaluate.embed --run "$run" \
        --data-dir "$(kind_dir "$data/$set" "$kind")" --name "$set" "${jobs[@]}" "${plugins[@]}"
    done
  done
fi

# shellcheck disable=SC2086
if runs_stage 4; then
  if [ -n "$baseline" ]; then
    begin_stage 4 "scores of $baseline"
    # The baseline has no training for a back-end to learn from: always by cosine.
    run_logged "$baseline/log/score.log" python -m speaker_bases.evaluate.score --run "$baseline" \
      --data-dir "$data/test"
  fi
  for run in "${runs[@]}"; do
    begin_stage 4 "scores of $run by ${backend:-its own back-end}"
    run_logged "$run/log/score.log" python -m speaker_bases.evaluate.score --run "$run" \
      --data-dir "$data/test" --train-dir "$data/train" ${backend:+--backend "$backend"} \
      "${plugins[@]}" $backend_opts
  done
fi

if runs_stage 5; then
  begin_stage 5 "tables and figures in $exp"
  run_logged "$exp/log/report.log" python -m speaker_bases.evaluate.report --exp "$exp" \
    --data "$data" --corpus-conf "$conf/corpora/$corpus.yaml" --command "$command" "${plugins[@]}"
  cat "$exp/RESULTS.md"
fi

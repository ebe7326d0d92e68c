#!/usr/bin/env bash
# Features of a Kaldi data directory.
#
# Usage: make_features.sh [options] DATA_DIR [LOG_DIR [ARK_DIR]]
#  e.g.: make_features.sh --nj 8 data/train
#        make_features.sh --kind mfcc data/train
#
# Kinds of features, and where they are:
#   fbank  log mel filter banks minus a sliding mean          DATA_DIR
#   mfcc   cepstra and, in vad.scp, which frames are voiced   DATA_DIR_mfcc
# A kind that has a data directory of its own gets the tables of DATA_DIR copied into it.
#
# With KALDI_ROOT set, Kaldi's own compute-fbank-feats, apply-cmvn-sliding and copy-feats (and
# extract-segments, where there are segments) make filter banks under $train_cmd; other kinds, and
# all without it, are made by the embedded extractor (speaker_bases.kaldi_feats.extract). Features
# that are given are used instead. All write the same files, feats.scp, utt2num_frames and
# <kind>.conf, which says what they were made with; what one extractor has begun the other
# continues. In the features' directory, LOG_DIR is log and ARK_DIR, for the arks, the kind's name,
# unless given. Run again after an interruption, it continues; with everything done it does nothing;
# what a changed option touches is made again.
#
# Options (--name value or --name=value) and their defaults:
kind=fbank                  # of features: fbank or mfcc
nj=                         # parallel jobs; without it one for each processor
fbank_config=conf/fbank.conf
                            # options of compute-fbank-feats; this one is the project's
mfcc_config=conf/mfcc.conf  # options of compute-mfcc-feats
vad_config=conf/vad.conf    # options of compute-vad, for mfcc
cmn_window=300              # frames that the sliding mean of filter banks is taken over
compress=false              # true: store Kaldi's compressed matrices, a quarter of the disk for an
                            # error of up to 0.09 on each log-mel value. VoxCeleb1's filter banks
                            # take 33 GB or 8 GB, VoxCeleb2's 220 GB or 55 GB
skip_broken=false           # true: leave recordings that cannot be read out, and list them in
                            # broken_recordings there (embedded extractor)
allow_missing=false         # true: leave trials of utterances without features out of the lists,
                            # with their count, instead of refusing the lists
pipe_timeout=               # seconds that a command of wav.scp may say nothing (embedded extractor)
max_minutes=                # of one recording (embedded extractor)
cmd=                        # with Kaldi, how to run jobs: run.pl, queue.pl, slurm.pl and its options;
                            # without it $train_cmd, or else Kaldi's run.pl
# Environment: KALDI_ROOT, train_cmd, and USE_ACTIVE_ENV=true for the Python environment that is
# active, instead of the project's .venv.

set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck disable=SC2034 # parse_options.sh uses it
usage_status=2
# shellcheck source=kaldi_feats/parse_options.sh
. "$here/parse_options.sh"
if [ $# -lt 1 ] || [ $# -gt 3 ]; then
  show_help >&2
  exit 2
fi
for name in fbank_config mfcc_config vad_config; do
  is_given "$name" || [ ! -f "$here/../${!name}" ] || printf -v "$name" %s "$here/../${!name}"
done
cmd=${cmd:-${train_cmd:-}}
data=$1

# Called on its own, not from run.sh, the recipe's environment may not be active, or another may.
python=$here/../.venv/bin/python
if [ "${USE_ACTIVE_ENV:-false}" = true ] || [ ! -x "$python" ]; then
  python=$(command -v python || command -v python3) || fail "no python on the PATH"
fi
"$python" -c 'import speaker_bases.kaldi_feats' 2> /dev/null ||
  fail "$python lacks this project; run ./run.sh, which makes .venv, or pip install -e ."

arguments=(--kind "$kind" ${nj:+--nj "$nj"} --fbank-config "$fbank_config" --cmn-window "$cmn_window"
  --mfcc-config "$mfcc_config" --vad-config "$vad_config"
  --compress "$compress" --skip-broken "$skip_broken" --allow-missing "$allow_missing"
  ${pipe_timeout:+--pipe-timeout "$pipe_timeout"} ${max_minutes:+--max-minutes "$max_minutes"} "$@")

# One at a time: two would remove each other's files. The lock is this process's, and ends with it.
lock=$(dirname "$data")/.$(basename "$data").lock
exec 9>> "$lock"
"$python" -m speaker_bases.lock 9 "$lock" $$ "making the features of $data" || exit 1

if [[ -z ${KALDI_ROOT:-} || $kind != fbank ]]; then
  exec "$python" -m speaker_bases.kaldi_feats.extract "${arguments[@]}"
fi

kaldi=$(cd "$KALDI_ROOT" 2> /dev/null && pwd) || fail "no such folder: KALDI_ROOT=$KALDI_ROOT"
programs=(compute-fbank-feats apply-cmvn-sliding copy-feats)
[ ! -e "$data/segments" ] || programs+=(extract-segments)
for program in "${programs[@]}"; do
  [ -x "$kaldi/src/featbin/$program" ] ||
    fail "$kaldi/src/featbin/$program is not there; build Kaldi, or unset KALDI_ROOT"
done

logdir=${2:-$data/log}
fbankdir=${3:-$data/fbank}
jobs=$("$python" -m speaker_bases.kaldi_feats.fbank.kaldi_jobs plan "${arguments[@]}")
if [ "$jobs" -gt 0 ]; then
  # The jobs may start in another directory, on another machine.
  logdir=$(cd "$logdir" && pwd)
  fbankdir=$(cd "$fbankdir" && pwd)
  config=$(cd "$(dirname "$fbank_config")" && pwd)/$(basename "$fbank_config")
  utils=$kaldi/egs/wsj/s5/utils
  # Kaldi's run.pl does not quote what it gives to the shell, and replaces every "JOB".
  awkward='[^A-Za-z0-9_./+=:@%,-]|JOB'
  if [ -n "$cmd" ]; then
    # Such runners join the words of a command, for a shell.
    if [[ $logdir$fbankdir$config$kaldi$here =~ [][\$\`\"\'\\\;\&\|\<\>\(\){}*?~#!] ]]; then
      fail "--cmd: its runner hands paths to a shell, which would act on the ${BASH_REMATCH[0]} in one" \
        "of $data, $fbank_config and $kaldi; rename it"
    fi
    PATH=$PATH:$utils:$utils/parallel
    read -r -a runner <<< "$cmd"
    command -v "${runner[0]}" > /dev/null || fail "no such command: $cmd (--cmd or \$train_cmd)"
  elif [[ -x $utils/run.pl && ! $logdir$fbankdir$config$kaldi$here =~ $awkward ]]; then
    runner=("$utils/run.pl")
  else
    runner=(bash "$here/fbank/run_jobs.sh")
  fi
  trap 'echo "interrupted; run the same command again to continue" >&2; exit 130' INT
  # A job that fails is explained by the next command, which finds its arks missing.
  "${runner[@]}" JOB=1:"$jobs" "$logdir/make_fbank.JOB.log" bash "$here/fbank/fbank_job.sh" \
    "$kaldi" "$config" "$cmn_window" "$compress" "$logdir/make_fbank" "$fbankdir" JOB || true
fi
exec "$python" -m speaker_bases.kaldi_feats.fbank.kaldi_jobs finish "${arguments[@]}"

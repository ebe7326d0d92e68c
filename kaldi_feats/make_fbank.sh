#!/usr/bin/env bash
# Features of a Kaldi data directory: log mel filter banks minus a sliding mean.
#
# Usage: make_fbank.sh [options] DATA_DIR [LOG_DIR [FBANK_DIR]]
#  e.g.: make_fbank.sh --nj 8 data/train
#
# With KALDI_ROOT set, Kaldi's own compute-fbank-feats, apply-cmvn-sliding and copy-feats (and
# extract-segments, where there are segments) make them under $train_cmd; without it the embedded extractor (speaker_bases.kaldi_feats.extract).
# Both write the same files, feats.scp, utt2num_frames and fbank.conf in DATA_DIR, and what one has
# begun the other continues. LOG_DIR is DATA_DIR/log and FBANK_DIR, for the arks, DATA_DIR/fbank
# unless given. Run again after an interruption, it continues; with everything done it does nothing;
# what a changed option touches is made again.
#
# Options (--name value or --name=value) and their defaults:
nj=                         # parallel jobs; without it one for each processor
fbank_config=conf/fbank.conf
                            # options of compute-fbank-feats; this one is the project's
cmn_window=300              # frames that the sliding mean is taken over
compress=false              # true: store Kaldi's compressed matrices, a quarter of the disk for an
                            # error of up to 0.09 on each value. VoxCeleb1 takes 33 GB or 8 GB,
                            # VoxCeleb2 220 GB or 55 GB
skip_broken=false           # true: leave recordings that cannot be read out, and list them in
                            # DATA_DIR/broken_recordings (embedded extractor)
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
is_given fbank_config || [ ! -f "$here/../$fbank_config" ] || fbank_config=$here/../$fbank_config
cmd=${cmd:-${train_cmd:-}}
data=$1
logdir=${2:-$data/log}
fbankdir=${3:-$data/fbank}

# Called on its own, not from run.sh, the recipe's environment may not be active, or another may.
python=$here/../.venv/bin/python
if [ "${USE_ACTIVE_ENV:-false}" = true ] || [ ! -x "$python" ]; then
  python=$(command -v python || command -v python3) || fail "no python on the PATH"
fi
"$python" -c 'import speaker_bases.kaldi_feats' 2> /dev/null ||
  fail "$python lacks this project; run ./run.sh, which makes .venv, or pip install -e ."

arguments=(${nj:+--nj "$nj"} --fbank-config "$fbank_config" --cmn-window "$cmn_window"
  --compress "$compress" --skip-broken "$skip_broken" --allow-missing "$allow_missing"
  ${pipe_timeout:+--pipe-timeout "$pipe_timeout"} ${max_minutes:+--max-minutes "$max_minutes"} "$data" "$logdir" "$fbankdir")

# One at a time: two would remove each other's files. The lock is this process's, and ends with it.
lock=$(dirname "$data")/.$(basename "$data").lock
exec 9>> "$lock"
"$python" -m speaker_bases.lock 9 "$lock" $$ "making the features of $data" || exit 1

if [ -z "${KALDI_ROOT:-}" ]; then
  exec "$python" -m speaker_bases.kaldi_feats.extract "${arguments[@]}"
fi

kaldi=$(cd "$KALDI_ROOT" 2> /dev/null && pwd) || fail "no such folder: KALDI_ROOT=$KALDI_ROOT"
programs=(compute-fbank-feats apply-cmvn-sliding copy-feats)
[ ! -e "$data/segments" ] || programs+=(extract-segments)
for program in "${programs[@]}"; do
  [ -x "$kaldi/src/featbin/$program" ] ||
    fail "$kaldi/src/featbin/$program is not there; build Kaldi, or unset KALDI_ROOT"
done

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

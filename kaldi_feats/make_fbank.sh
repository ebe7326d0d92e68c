#!/usr/bin/env bash
# Features of a Kaldi data directory: log mel filter banks minus a sliding mean.
#
# With KALDI_ROOT set, Kaldi's own compute-fbank-feats, apply-cmvn-sliding and copy-feats make
# them under $train_cmd; without it the embedded extractor (speaker_bases.kaldi_feats.extract).
# Both write the same files, and what one has begun the other continues.
set -euo pipefail

nj=4
fbank_config=conf/fbank.conf
cmn_window=300
compress=false
cmd=${train_cmd:-}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<EOF
Usage: $0 [options] DATA_DIR [LOG_DIR [FBANK_DIR]]
 e.g.: $0 --nj 8 data/train
Writes feats.scp, utt2num_frames and fbank.conf into DATA_DIR. LOG_DIR is DATA_DIR/log and
FBANK_DIR, for the arks, DATA_DIR/fbank unless given. Run again after an interruption, it
continues; with everything done it does nothing; what a changed option touches is made again.
Options:
  --nj N              parallel jobs (default: $nj)
  --fbank-config F    options of compute-fbank-feats (default: $fbank_config)
  --cmn-window N      frames that the sliding mean is taken over (default: $cmn_window)
  --compress BOOL     store Kaldi's compressed matrices, a quarter of the disk for an error of up
                      to 0.09 on each value (default: $compress). VoxCeleb1 takes 33 GB or 8 GB,
                      VoxCeleb2 220 GB or 55 GB
  --cmd "CMD ..."     with Kaldi, how to run jobs: run.pl, queue.pl, slurm.pl and its options
                      (default: \$train_cmd, or else Kaldi's run.pl)
EOF
}

fail() {
  echo "make_fbank.sh: error: $1" >&2
  exit "${2:-1}"
}

while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --nj | --fbank-config | --cmn-window | --compress | --cmd)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      name=${1#--}
      printf -v "${name//-/_}" %s "$2"
      shift 2 ;;
    --*) fail "unknown option $1; --help lists them" 2 ;;
    *) break ;;
  esac
done
if [ $# -lt 1 ] || [ $# -gt 3 ]; then
  usage >&2
  exit 2
fi
data=$1
logdir=${2:-$data/log}
fbankdir=${3:-$data/fbank}

# Called on its own, not from run.sh, the recipe's environment may not be active yet.
if [ -z "${VIRTUAL_ENV:-}" ] && [ -f "$here/../.venv/bin/activate" ]; then
  # shellcheck source=/dev/null
  . "$here/../.venv/bin/activate"
fi
python=$(command -v python || command -v python3) || fail "no python on the PATH"
"$python" -c 'import speaker_bases.kaldi_feats' 2> /dev/null ||
  fail "$python lacks this project; run ./run.sh, which makes .venv, or pip install -e ."

arguments=(--nj "$nj" --fbank-config "$fbank_config" --cmn-window "$cmn_window"
  --compress "$compress" "$data" "$logdir" "$fbankdir")

if [ -z "${KALDI_ROOT:-}" ]; then
  exec "$python" -m speaker_bases.kaldi_feats.extract "${arguments[@]}"
fi

kaldi=$(cd "$KALDI_ROOT" 2> /dev/null && pwd) || fail "no such folder: KALDI_ROOT=$KALDI_ROOT"
for program in compute-fbank-feats apply-cmvn-sliding copy-feats; do
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

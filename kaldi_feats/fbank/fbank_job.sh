#!/usr/bin/env bash
# One job of make_features.sh with Kaldi's programs: makes the arks that PLAN/JOB.list names.
# An ark is complete once its scp has its name, and that is the last thing to happen.
set -euo pipefail
export LC_ALL=C

if [ $# -ne 7 ]; then
  echo "Usage: $0 KALDI_ROOT FBANK_CONFIG CMN_WINDOW COMPRESS PLAN FBANK_DIR JOB" >&2
  exit 2
fi
kaldi=$1 config=$2 cmn_window=$3 compress=$4 plan=$5 fbankdir=$6 job=$7
PATH=$kaldi/src/featbin:$PATH

fbank_of() { # ARK
  local scp=scp:$plan/$1.wav.scp segments=$plan/$1.segments
  if [ -f "$segments" ]; then
    extract-segments "$scp" "$segments" ark:- | compute-fbank-feats --config="$config" ark:- ark:-
  else
    compute-fbank-feats --config="$config" "$scp" ark:-
  fi
}

while IFS= read -r name <&3; do
  ark=$fbankdir/$name
  errors=$plan/$job.stderr
  set +e
  fbank_of "$name" 2> "$errors" < /dev/null |
    apply-cmvn-sliding --norm-vars=false --center=true --cmn-window="$cmn_window" ark:- ark:- |
    copy-feats --compress="$compress" --write-num-frames=ark,t:"$ark.num_frames" \
      ark:- ark,scp:"$ark.ark,$ark.scp.tmp"
  status=("${PIPESTATUS[@]}")
  set -e
  cat "$errors" >&2
  # Kaldi only warns of an utterance that it cannot compute (the sample rate is wrong), and of a
  # pipe that ends with an error (a truncated flac), and goes on without it or with a part of it.
  # 13 and 36096 are SIGPIPE: the program was still writing when Kaldi had all that it wanted.
  if fatal=$(grep -E "Failed to compute features|had nonzero return status" "$errors" |
    grep -Ev "return status (13|36096)$"); then
    sed 's/^/FATAL /' <<< "$fatal" >&2 # what to report, for kaldi_jobs.py
    exit 1
  fi
  for code in "${status[@]}"; do
    # 1 is what they exit with when no utterance gave features: all were too short.
    if [ "$code" -gt 1 ] || { [ "$code" -eq 1 ] && [ -s "$ark.scp.tmp" ]; }; then
      echo "$0: exit codes ${status[*]} while making $ark.ark" >&2
      exit 1
    fi
  done
  touch "$ark.num_frames"
  mv "$ark.scp.tmp" "$ark.scp"
done 3< "$plan/$job.list"

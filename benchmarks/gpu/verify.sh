#!/usr/bin/env bash
# Checks and measures cosfit on a machine that has an NVIDIA GPU, its driver and
# glibc: no Go, no network, no checkout. Build the test binaries elsewhere
# (make gpu-tests), carry them over with this file, and run
#
#     verify.sh [RESULTS [BINARY [MORE BINARIES]]]
#
# In under 8 minutes: every kernel and precision against float64, gradients
# against differences, trainings against PyTorch's, compute-sanitizer's memcheck
# and racecheck where it is there, then a step, a run and products beside PyTorch
# where python3 has it, with the card's copy bandwidth and cuBLASLt's largest
# product. Writes ONE file, RESULTS (gpu-results.json), and prints a short table
# last. Exits with 1 where something failed, or where there is no GPU.
set -u
here=$(cd "$(dirname "$0")" && pwd)
results=$(realpath -m "${1:-gpu-results.json}")
shift $(($# > 0))
if [ $# -eq 0 ]; then
  for folder in "$PWD" "$here" "$here/../../dist"; do
    if [ -e "$folder/cuda.test" ]; then
      set -- "$folder/cuda.test"
      [ -e "$folder/kernels.test" ] && set -- "$@" "$folder/kernels.test"
      break
    fi
  done
fi
if [ $# -eq 0 ]; then
  echo "verify.sh: there is no cuda.test here or beside verify.sh: build it with make gpu-tests where Go is, and carry dist/*.test here" >&2
  exit 1
fi
for binary; do
  if [ ! -x "$binary" ]; then
    echo "verify.sh: $binary is not there, or not executable: chmod +x it" >&2
    exit 1
  fi
done
first=$(realpath "$1")
shift
also=
for binary; do also=$also:$(realpath "$binary"); done

COSFIT_VERIFY=$results COSFIT_VERIFY_ALSO=${also#:} timeout --kill-after=5 470 "$first" -test.run='^TestVerify$' -test.timeout=465s 2>&1 |
  sed -u -e '/^=== RUN/d' -e '/^PASS$/d' -e '/^FAIL$/d' -e '/^--- [A-Z]*: TestVerify/d' -e 's/^ *verify_test.go:[0-9]*: /verify.sh: /'
code=${PIPESTATUS[0]}
[ "$code" -ne 124 ] || echo "verify.sh: it was stopped after 470 s" >&2
[ "$code" -eq 0 ] || exit 1

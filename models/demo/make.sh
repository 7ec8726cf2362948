#!/usr/bin/env bash
# Makes the demo model from nothing but the steering traces of the Udacity Challenge 2.
#
#   models/demo/make.sh TRACES WORK
#
# TRACES holds HMB_1.csv, HMB_2.csv, HMB_4.csv, HMB_5.csv and HMB_6.csv (timestamp, angle, torque,
# speed); WORK is a folder for drives and runs, about 2 GB. JOBS renderers run side by side
# (default 2). What is there already is not made again.
set -euo pipefail

traces=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
here=$(dirname "$(realpath "$0")")

# One line a drive of 60 s: part, name, options of `signattn synth`.
drives() {
  local minute seed=1000
  for minute in 0 1; do
    echo "train HMB_1_$minute --seed $((seed++)) --trace $traces/HMB_1.csv --trace-start $((60 * minute))"
  done
  # The winding one, twice: another look, and cut at other places.
  for start in $(seq 0 60 660) $(seq 30 60 630); do
    echo "train HMB_2_$start --seed $((seed++)) --trace $traces/HMB_2.csv --trace-start $start"
  done
  echo "train HMB_4_0 --seed $((seed++)) --trace $traces/HMB_4.csv"
  for minute in 0 3; do
    echo "train HMB_6_$minute --seed $((seed++)) --trace $traces/HMB_6.csv --trace-start $((60 * minute))"
  done
  for seed in $(seq 2000 2007); do
    echo "train road_$seed --seed $seed"
  done
  for minute in 0 1 2; do
    echo "test HMB_5_$minute --seed $((3000 + minute)) --trace $traces/HMB_5.csv --trace-start $((60 * minute))"
  done
  for seed in $(seq 4000 4002); do
    echo "test road_$seed --seed $seed"
  done
}

make_drive() {
  local work=$1 part=$2 name=$3
  shift 3
  [ ! -d "$work/$part/$name" ] || return 0
  rm -rf "$work/bags/$part/$name"
  mkdir -p "$work/bags/$part"
  signattn synth "$work/bags/$part/$name" "$@"
  signattn convert "$work/bags/$part/$name" --out "$work/$part" --workers 1
  rm -r "$work/bags/$part/$name"
}
export -f make_drive

drives | xargs -P "${JOBS:-2}" -I {} bash -c "make_drive '$work' {}"
[ -f "$work/run/metrics.json" ] ||
  signattn train --config "$here/../../config/train/demo.yaml" --data "$work/train" --out "$work/run"
signattn evaluate "$work/run/model" --data "$work/test" --out "$work/evaluation"

#!/usr/bin/env bash
# Makes the demo model from nothing but the steering traces of the Udacity Challenge 2.
#
#   models/demo/make.sh TRACES WORK
#
# TRACES holds HMB_1.csv, HMB_2.csv, HMB_4.csv, HMB_5.csv and HMB_6.csv (timestamp, angle, torque,
# speed); WORK is a folder for drives and runs, about 3 GB: WORK/fitted and WORK/other to train on,
# WORK/test. JOBS renderers run side by side (default 2). What is there already is not made again.
set -euo pipefail

traces=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
here=$(dirname "$(realpath "$0")")

# Minutes of traces through the camera of the real drives: trace, start, weather, light.
fitted='1 0 clear day;1 60 dry day;1 120 fog day;2 0 clear day;2 60 overcast day;2 120 rain day
2 180 fog day;2 240 dry day;2 300 dry day;2 360 fog day;2 420 dry day;2 480 dry day
2 540 overcast dusk;2 600 dry day;2 660 clear day;2 720 rain day;4 0 fog day;6 0 dry day
6 60 dry low_sun;6 120 dry day;6 180 dry day;6 240 dry day;6 300 dry day'
tested='5 0 overcast dusk;5 60 dry day;5 120 fog day'
camera='--camera udacity --lead 0.1 --trucks 0.2'

along() { # part, lines as above
  local trace start weather light
  tr ';' '\n' <<< "$2" | while read -r trace start weather light; do
    echo "$1 HMB_${trace}_$start --seed $((10000 * trace + start)) --trace $traces/HMB_$trace.csv" \
      "--trace-start $start $camera --weather $weather --light $light"
  done
}

# One line a drive of 60 s: part, name, options of `signattn synth`.
drives() {
  local start seed=1000 any='--weather random --light random'
  along fitted "$fitted"
  for start in 0 60; do
    echo "other HMB_1_$start --seed $((seed++)) --trace $traces/HMB_1.csv --trace-start $start $any"
  done
  for start in $(seq 0 60 660); do
    echo "other HMB_2_$start --seed $((seed++)) --trace $traces/HMB_2.csv --trace-start $start $any"
  done
  echo "other HMB_4_0 --seed $((seed++)) --trace $traces/HMB_4.csv $any"
  for start in 0 180; do
    echo "other HMB_6_$start --seed $((seed++)) --trace $traces/HMB_6.csv --trace-start $start $any"
  done
  for seed in $(seq 2000 2005); do
    echo "other road_$seed --seed $seed $any"
  done
  along test "$tested"
  echo "test road_4100 --seed 4100 $camera --weather dry --light day"
  echo "test road_4101 --seed 4101 $camera --weather rain --light day"
  echo "test road_4102 --seed 4102 $camera --weather dry --light low_sun"
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

recipe="$here/../../config/train/demo.yaml"
data=("$work/fitted" "$work/other")
# Ordinary attention first, then cut to what acts.
[ -f "$work/dense/metrics.json" ] ||
  signattn train --config "$recipe" --network.attention soft32 --data "${data[@]}" --out "$work/dense"
[ -f "$work/run/metrics.json" ] ||
  signattn train --config "$recipe" --network.attention soft_topk --start "$work/dense/model" \
    --distill 1 --pictures 0 --freeze-encoder true --data "${data[@]}" --out "$work/run"
signattn evaluate "$work/run/model" --data "$work/test" --out "$work/evaluation"

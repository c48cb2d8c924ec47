# Sourced by scripts/verify.d/fuzz-*.
# shellcheck shell=bash

# fuzz NAME KIND SECONDS: builds the targets of tests/fuzz/KIND and runs each for so long, one after the other, from its
# corpus. What is found stays where the verdict says. What the libraries print (libjxl, thousands of lines a second) goes
# nowhere, and runs a second of processor time are told: on a busy machine those of the clock say nothing of a target.
fuzz() {
  local name=$1 kind=$2 seconds=$3 runs=0 findings=0 targets=0 target found log executed cpu
  local TIMEFORMAT='%U %S'
  scripts/setup --test
  scripts/build asan-ubsan "fuzz_$kind" >/dev/null || die "building failed"
  found=$(mktemp -d)
  for target in "build/asan-ubsan/fuzz/$kind"/fuzz_*; do
    local short=${target##*/fuzz_}
    mkdir -p "$found/$short/new"
    log=$found/$short/log
    { time "$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=3000 -max_len=20000 -print_final_stats=1 \
      -close_fd_mask=3 -artifact_prefix="$found/$short/" "$found/$short/new" "tests/fuzz/corpus/$short" >"$log" 2>&1; } \
      2>"$found/$short/time" || findings=$((findings + 1))
    cpu=$(tail -1 "$found/$short/time")
    executed=$(grep -a 'number_of_executed_units' "$log" | grep -o '[0-9]*$' || echo 0)
    printf '%-16s %9d runs, %6d a second of the processor, %s\n' "$short" "$executed" \
      "$(awk -v runs="$executed" -v cpu="${cpu/ /+}" 'BEGIN { split(cpu, t, "+"); print int(runs / (t[1] + t[2] + 0.01)) }')" \
      "$(find "$found/$short" -maxdepth 1 -type f ! -name log ! -name time ! -name 'slow-unit*' -printf '%f ')"
    runs=$((runs + executed)) targets=$((targets + 1))
  done
  verdict "$name" $((findings > 0)) "$targets targets of $seconds s each: $runs runs, $findings findings ($found)"
}

#!/bin/sh
# Fuzzing: every reader of bytes that others choose, under libFuzzer with the address and undefined-behaviour sanitizers.
#
#   tests/fuzz/run.sh               each target from its seeds on, the same inputs every time: about a minute
#   tests/fuzz/run.sh --minutes N   random ones for so long in all; what was learnt is kept in build/fuzz/corpus
#
# Needs clang and its libFuzzer (on Debian 12: clang, libclang-rt-14-dev), which are installed where that may be done;
# else it is skipped, and counted. An input that fails is kept in build/fuzz/found: give it to tests/fuzz/seeds with the mend.
# The last line is `N passed, M failed` (`, K skipped`).
set -u
cd "$(dirname "$0")/../.." || exit 1

seconds=
case $* in
'') ;;
"--minutes "*[!0-9]*) echo "tests/fuzz/run.sh: [--minutes N], not: $*" >&2 && exit 2 ;;
"--minutes "*) seconds=$(($2 * 60)) ;;
*) echo "tests/fuzz/run.sh: [--minutes N], not: $*" >&2 && exit 2 ;;
esac

works() {
	command -v clang >/dev/null && echo 'int LLVMFuzzerTestOneInput(const char *d, long n); int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n ? 0 : 0; }' |
		clang -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null
}
if ! works && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
	apt-get install -y --no-install-recommends clang >/dev/null 2>&1 &&
		apt-get install -y --no-install-recommends "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" >/dev/null 2>&1
fi
if ! works; then
	echo "no clang with libFuzzer here (Debian 12: apt-get install clang libclang-rt-14-dev)"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
mkdir -p build/fuzz/found
if ! (cmake --preset fuzz && cmake --build --preset fuzz) >build/fuzz/build.log 2>&1; then
	cat build/fuzz/build.log
	echo "0 passed, 1 failed"
	exit 1
fi

passed=0
failed=0
targets=$(FUZZ_TARGET=list build/fuzz/bin/fuzz)
each=${seconds:+$((seconds / $(echo "$targets" | wc -w)))}
for target in $targets; do
	corpus=build/fuzz/corpus/$target
	how="-max_total_time=$each $corpus"
	# The first directory is where what was learnt is written: never the seeds, and nothing of the run before.
	[ -n "$seconds" ] || { corpus=build/fuzz/fresh/$target how="-seed=1 -runs=100000 build/fuzz/fresh/$target" && rm -rf "$corpus"; }
	mkdir -p "$corpus"
	log=build/fuzz/$target.log
	if FUZZ_TARGET=$target build/fuzz/bin/fuzz -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
		-artifact_prefix="build/fuzz/found/$target-" $how "tests/fuzz/seeds/$target" >"$log" 2>&1; then
		echo "$target: $(sed -n 's/^#\([0-9]*\)[[:space:]]*DONE *\(cov: [0-9]*\).*/\1 inputs, \2/p' "$log")"
		passed=$((passed + 1))
	else
		tail -n 60 "$log"
		echo "$target: failed; the input is in build/fuzz/found"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

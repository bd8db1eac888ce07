#!/bin/sh
# Runs the tests; installs what they need first.
#
#   tests/run.sh [unit|lint|system|chaos|fuzz|ui]...      default: all that there are
#   tests/run.sh chaos --minutes N [--seed S]             random faults for so long (tests/chaos/README.md)
#   tests/run.sh fuzz --minutes N                         random input for so long
#
# Built and run under the address and undefined-behaviour sanitizers, warnings as
# errors, in build/dev. The last line is `N passed, M failed` (`, K skipped`); the exit
# status is 0 only when M is 0.
#
#   JOBS=4            how many system test files at once (default 3)
#   PYTEST_ARGS=...   more for pytest: PYTEST_ARGS="-k nats_cli -x"
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1

say() { printf '\n== %s\n' "$*"; }

parts=
chaos_words=
while [ $# -gt 0 ]; do
	arg=$1
	shift
	case $arg in
	unit | lint | system) parts="$parts $arg" ;;
	chaos | fuzz | ui)
		if [ ! -x "tests/$arg/run.sh" ]; then
			echo "tests/run.sh: there are no $arg tests yet" >&2
			exit 2
		fi
		parts="$parts $arg"
		;;
	--minutes | --seed)
		case ${1:-none} in
		*[!0-9]*)
			echo "tests/run.sh: $arg needs a number" >&2
			exit 2
			;;
		esac
		chaos_words="$chaos_words $arg $1"
		shift
		;;
	-h | --help)
		sed -n '2,14s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*)
		echo "tests/run.sh: '$arg' is none of unit, lint, system, chaos, fuzz, ui" >&2
		exit 2
		;;
	esac
done
case $parts,$chaos_words in
*chaos*,* | *fuzz*,* | *,) ;;
*)
	echo "tests/run.sh:$chaos_words is for chaos or fuzz: tests/run.sh chaos$chaos_words" >&2
	exit 2
	;;
esac
if [ -z "$parts" ]; then
	parts="unit lint system"
	for part in chaos fuzz ui; do
		[ -x "tests/$part/run.sh" ] && parts="$parts $part"
	done
fi

passed=0
failed=0
skipped=0
# What a part counted: "passed failed skipped".
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}
finish() {
	line="$passed passed, $failed failed"
	[ "$skipped" -gt 0 ] && line="$line, $skipped skipped"
	printf '\n%s\n' "$line"
	[ "$failed" -eq 0 ]
	exit
}

deploy/deps.sh build run test || {
	count 0 1 0
	finish
}
PATH="$root/.run/bin:$PATH"
export PATH
# Debian's own, whatever else is on PATH: its pytest is what deps.sh installs.
python=/usr/bin/python3
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"

say "build (dev)"
mkdir -p build
# One build at a time in one checkout: tests may be started twice.
if (
	flock 9 && cmake --preset dev >build/dev-configure.log 2>&1 || {
		cat build/dev-configure.log
		exit 1
	}
	ninja -C build/dev
) 9>build/.lock; then
	count 1 0 0
else
	count 0 1 0
	finish
fi

unit() {
	say "unit"
	log=build/ctest.$$.log
	(cd build/dev && ctest --output-on-failure -j2 --timeout 300) >"$log" 2>&1
	cat "$log"
	# "93% tests passed, 2 tests failed out of 30"
	total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log")
	bad=$(sed -n 's/.* tests passed, \([0-9]*\) tests failed.*/\1/p' "$log")
	rm -f "$log"
	if [ -z "$total" ]; then
		count 0 1 0
	else
		count $((total - bad)) "$bad" 0
	fi
}

lint() {
	say "lint"
	tests/lint.sh build/dev
	code=$?
	# Its exit status is the number of the checks that failed.
	count $((2 - code)) $code 0
}

system() {
	say "system"
	results=build/pytest.$$.xml
	# A test file is run by one worker: its tests share a system.
	(cd tests/system && "$python" -m pytest -q -n "${JOBS:-3}" --dist loadfile \
		--junitxml="$root/$results" ${PYTEST_ARGS:-})
	code=$?
	if [ -s "$results" ]; then
		count $("$python" tests/junit_counts.py "$results")
		rm -f "$results"
		# 0: fine, 1: tests failed (counted), 5: none chosen; else pytest itself went wrong.
		case $code in 0 | 1 | 5) ;; *) count 0 1 0 ;; esac
	else
		count 0 1 0
	fi
}

other() { # a part with a run.sh of its own, whose last line is like ours
	say "$1"
	out=build/$1.$$.log
	words=
	case $1 in chaos | fuzz) words=$chaos_words ;; esac
	"tests/$1/run.sh" $words 2>&1 | tee "$out"
	count $(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p' "$out" |
		tail -n 1 | awk '{print $1, $2, $3 + 0} END {if (NR == 0) print 0, 1, 0}')
	rm -f "$out"
}

for part in $parts; do
	case $part in
	unit) unit ;;
	lint) lint ;;
	system) system ;;
	*) other "$part" ;;
	esac
done
finish

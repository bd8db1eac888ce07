#!/bin/sh
# Chaos: faults on purpose, and the check that nothing is lost and nothing is stored twice.
#
#   tests/chaos/run.sh [--seed S]               each fault once, and a short mix (of seed S): under four minutes
#   tests/chaos/run.sh --minutes N [--seed S]   random faults under load for so long, then fifty kills of nodes at
#                                               work; from 20 minutes on also PostgreSQL away for ten of them
#
# tests/run.sh has built build/dev before. Needs Debian's python3 and pytest; mounting (full disk) needs root, the
# cluster a nats-server of 2.10 or newer, the wrong clock libfaketime: what cannot be made here is skipped, and counted.
# The last line is `N passed, M failed` (`, K skipped`).
#
#   JOBS=5                 how many test files at once (default 5: they mostly wait)
#   CHAOS_RESULTS=FILE     a line a trial (default build/chaos-results.ndjson); python3 -m kit.record FILE makes a table
set -u
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
PATH="$root/.run/bin:$PATH"
export PATH
export PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
python=/usr/bin/python3

case $* in
'') ;;
*--minutes*) exec "$python" long.py "$@" ;;
"--seed "*) export CHAOS_SEED="$2" ;;
*)
	echo "tests/chaos/run.sh: [--minutes N] [--seed S], not: $*" >&2
	echo "0 passed, 1 failed"
	exit 2
	;;
esac

mkdir -p "$root/build"
results=$root/build/chaos.$$.xml
"$python" -m pytest -q -n "${JOBS:-5}" --dist loadfile --junitxml="$results" ${PYTEST_ARGS:-}
code=$?
if [ -s "$results" ]; then
	# "passed failed skipped"
	set -- $("$python" ../junit_counts.py "$results")
	rm -f "$results"
else
	set -- 0 1 0
fi
# 0: fine, 1: tests failed (counted), 5: none chosen; else pytest itself went wrong.
case $code in
0 | 1 | 5) failed=$2 ;;
*) failed=$(($2 + 1)) ;;
esac
line="$1 passed, $failed failed"
[ "$3" -gt 0 ] && line="$line, $3 skipped"
echo "$line"
[ "$failed" -eq 0 ]

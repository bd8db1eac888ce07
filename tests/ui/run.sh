#!/bin/sh
# The dashboard in a real browser, before a real Millrace: broker, PostgreSQL, router, store, nodes, scaler, gateway.
#
#   tests/ui/run.sh                  all tests; the last line is `N passed, M failed` (`, K skipped`)
#   tests/ui/run.sh --only WORDS     those whose name holds these words
#   tests/ui/run.sh --screenshots    docs/screenshots/*.png anew, instead of tests
#
# tests/run.sh has built build/dev before; MILLRACE_BIN names other programs. Needs Node 18.19 or newer, Chromium, and npm
# or what npm has put into tests/ui/node_modules: without them all is skipped, and counted. --headed in UI_ARGS shows the browser.
set -u
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
PATH="$root/.run/bin:$PATH"
export PATH
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
MILLRACE_BIN=${MILLRACE_BIN:-$root/build/dev/bin}
export MILLRACE_BIN

skip() {
	echo "tests/ui: skipped: $*"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}

fail() {
	echo "tests/ui: $*" >&2
	echo "0 passed, 1 failed"
	exit 1
}

command -v node >/dev/null || skip "no node on PATH (deploy/deps.sh test installs it)"
node -e '
	const [a, b] = process.versions.node.split(".").map(Number);
	process.exit(a > 18 || (a === 18 && b >= 19) ? 0 : 1);
' || skip "Node $(node --version) is older than 18.19"
for browser in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
	[ -n "$browser" ] && CHROMIUM=$(command -v "$browser") && break
done
[ -n "${CHROMIUM:-}" ] || skip "no chromium on PATH (deploy/deps.sh test installs it)"
export CHROMIUM
[ -x "$MILLRACE_BIN/millrace-gateway" ] || fail "no $MILLRACE_BIN/millrace-gateway; build it: cmake --preset dev && ninja -C build/dev"

# What package-lock.json says, once for each lock; two runs may start at once.
stamp=node_modules/.of-lock
if ! cmp -s package-lock.json $stamp; then
	command -v npm >/dev/null || skip "no npm on PATH (deploy/deps.sh test installs it)"
	mkdir -p "$root/build"
	exec 9>"$root/build/.ui-tests.lock"
	flock 9
	if ! cmp -s package-lock.json $stamp; then
		npm ci --no-audit --no-fund >"$root/build/ui-tests-npm.log" 2>&1 9>&- || {
			tail -n 3 "$root/build/ui-tests-npm.log"
			skip "npm has no playwright-core and axe-core for us (above: why)"
		}
		cp package-lock.json $stamp
	fi
	exec 9>&-
fi

script=main.mjs
only=
while [ $# -gt 0 ]; do
	case $1 in
	--screenshots) script=screenshots.mjs ;;
	--only)
		only=${2:?"--only needs words"}
		shift
		;;
	-h | --help)
		sed -n '2,9s/^# \{0,1\}//p' run.sh
		exit 0
		;;
	*)
		echo "tests/ui/run.sh: [--only WORDS | --screenshots], not: $1" >&2
		exit 2
		;;
	esac
	shift
done
if [ $script = screenshots.mjs ]; then
	exec node screenshots.mjs
fi

out=$(mktemp)
trap 'rm -f "$out"' EXIT
node --test-reporter=./lib/reporter.mjs ${only:+--test-name-pattern="$only"} main.mjs 2>&1 | tee "$out"
# Its last line counts; without one it broke before it could.
last=$(tail -n 1 "$out")
case $last in
*" passed, 0 failed"*) exit 0 ;;
*" passed, "*" failed"*) exit 1 ;;
esac
fail "the tests broke off"

#!/bin/sh
# Reads our sources for mistakes: clang-tidy and cppcheck (what the compiler and
# unit/check_layers.sh cannot see).
#
#   tests/lint.sh [BUILD_DIR]
#
# The exit status is the number of checks (of two) that failed. clang-tidy
# skips files that it found good before, with the same headers and settings. Its
# analyzer gets a bounded effort for each function; `cmake --preset analyze` (gcc's)
# has no such bound.
set -u
build=${1:-build/dev}
cd "$(dirname "$0")/.." || exit 3
failed=0

sources() { find common router node store cli broker-config scaler gateway tests -name "$1" 2>/dev/null | sort; }

echo "-- clang-tidy"
mkdir -p "$build/lint"
headers=$(
	{
		cat .clang-tidy
		sources '*.h' | xargs cat
		cat proto/*.proto
	} | sha256sum | cut -c1-16
)
list=$build/lint/list.$$
sources '*.c' | while read -r file; do
	# Only what the build knows (a generated table is not ours to lint).
	grep -q "/$file\"" "$build/compile_commands.json" || continue
	stamp=$build/lint/$(printf '%s%s' "$headers" "$(sha256sum <"$file")" | sha256sum | cut -c1-32)
	[ -e "$stamp" ] || echo "$file $stamp"
done >"$list"
if xargs -r -P2 -L1 sh -c '
	out=$(clang-tidy -p "$0" --quiet --extra-arg=-Xclang --extra-arg=-analyzer-config \
		--extra-arg=-Xclang --extra-arg=max-nodes=20000 "$1" 2>/dev/null) && touch "$2" && exit 0
	printf "%s\n" "$out"
	exit 1
' "$build" <"$list"; then
	echo "ok"
else
	failed=$((failed + 1))
fi
rm -f "$list"

echo "-- cppcheck"
if cppcheck --quiet -j2 --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	--enable=warning,performance,portability \
	--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=nullPointerRedundantCheck \
	--suppress=uninitvar --suppress=readdirCalled --suppress=getpwnamCalled --suppress=varFuncNullUB \
	--suppress=preprocessorErrorDirective --suppress=normalCheckLevelMaxBranches \
	--library=posix -D__GNUC__ -I . $(sources '*.c'); then
	echo "ok"
else
	failed=$((failed + 1))
fi

exit $failed

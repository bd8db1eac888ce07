#!/bin/sh
# Holds docs/scaling.md to the simulator: its table is what scaling_report prints, and each picture what
# the command in the text draws. Prints the difference, and exits 1 where there is one.
# Usage: check_scaling.sh SCALING_REPORT
set -eu
report=$(realpath "$1")
cd "$(dirname "$0")/../../.."

doc=docs/scaling.md
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
failed=0

"$report" table >"$made/table"
sed -n '/^<!-- scaling_report table -->$/,/^<!-- end -->$/{/^<!--/!p}' "$doc" >"$made/told"
diff -u "$made/told" "$made/table" || failed=1

# The lines that begin with "$R csv" are run as they stand, but into another directory.
sed -n 's|^    \(\$R csv .*\) > docs/\([a-z-]*\.svg\)$|\2 \1|p' "$doc" >"$made/commands"
[ "$(wc -l <"$made/commands")" -ge 2 ] || { echo "$doc: where are the commands for the pictures?"; failed=1; }
while read -r picture command; do
	R=$report D=tests/unit/scaler/draw_scaling.py sh -c "$command" >"$made/$picture"
	cmp "$made/$picture" "docs/$picture" || failed=1
done <"$made/commands"
exit $failed

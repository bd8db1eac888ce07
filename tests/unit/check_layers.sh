#!/bin/sh
# Holds what the compiler cannot: who may include whom, which file alone knows
# a library, which functions are banned, how long a file may be. Prints each
# violation as file:line: words, and exits 1 where there is one.
# Usage: check_layers.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/../..}"

out=$(mktemp)
trap 'rm -f "$out"' EXIT
daemons="router node store scaler gateway cli"

# The C files of the folders given, where they exist.
sources() {
	for dir; do
		[ ! -d "$dir" ] || find "$dir" -name '*.[ch]' -type f
	done | sort
}

# complain WORDS: turns grep's "file:line:text" lines into violations.
complain() {
	while IFS=: read -r file line _; do
		echo "$file:$line: $1"
	done >>"$out"
}

# matches PATTERN FILE…: extended regular expression; no match and no files are fine.
matches() {
	pattern=$1
	shift
	[ $# -eq 0 ] || grep -nHE "$pattern" "$@" || true
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*'

# 1. common stands below everything; siblings don't know each other.
for dir in common $daemons; do
	files=$(sources "$dir")
	for other in $daemons; do
		[ "$dir" != "$other" ] || continue
		# shellcheck disable=SC2086
		matches "$include[\"<](\.\./)*$other/" $files | complain "$dir must not include $other/"
	done
done

# 2. One edge per library. Tests and benches may look behind the curtain.
only() { # HEADER-OR-CALL-PATTERN ALLOWED-FILES WORDS
	# shellcheck disable=SC2046,SC2086
	matches "$1" $(sources common $daemons | grep -vE "^$2\$" || true) | complain "$3"
}
only "$include[\"<](nats/)?nats\.h" 'common/bus[a-z_]*\.[ch]' "only common/bus*.c knows nats.h"
only "$include[\"<](postgresql/)?libpq-fe\.h" 'common/pg[a-z_]*\.[ch]' "only common/pg*.c knows libpq-fe.h"
only '(protobuf_c_message|[a-z0-9]_)_(un)?pack[a-z_]*[[:space:]]*\(' 'common/codec[a-z_]*\.[ch]' \
	"only common/codec*.c packs and unpacks protobuf"

# 3. Banned calls. Comments and strings don't count, nor do members and longer names.
sources common $daemons tests broker-config | xargs -r perl -e '
	my $banned = "strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|alloca|system|popen";
	for my $file (@ARGV) {
		open my $in, "<", $file or die "$file: $!";
		my $text = do { local $/; <$in> };
		$text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)}
		          {my $t = $1; $t =~ s/[^\n]/ /g; $t}gse;
		my $line = 0;
		for (split /\n/, $text) {
			$line++;
			print "$file:$line: $1() is banned\n" while /(?<![\w.>])($banned)\s*\(/g;
		}
	}' >>"$out"

# 4. No file over 600 lines: then it holds more than one noun.
find . \( -name build -o -name .git -o -name .run -o -name node_modules \) -prune -o \
	-type f \( -name '*.c' -o -name '*.h' -o -name '*.ts' -o -name '*.sh' -o -name '*.py' \) \
	-exec awk 'END { if (FNR > 600) print substr(FILENAME, 3) ":" FNR ": has " FNR " lines; 600 is the most" }' {} \; >>"$out"

[ -s "$out" ] || exit 0
sort -u "$out"
exit 1

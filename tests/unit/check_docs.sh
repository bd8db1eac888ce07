#!/bin/sh
# Holds the documentation to the code: every file:function of docs/data-path.md is there, every
# relative link of a Markdown file leads somewhere, each .c file is named in its folder's README,
# every configuration key and every metric is in docs/operations.md (and no metric that isn't one), every
# header that a publisher may set is in docs/protocol.md (and no other),
# and no file speaks of a private machine. Prints each violation as file:line: words, and exits 1
# where there is one.
# Usage: check_docs.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/../..}"

out=$(mktemp)
files=$(mktemp)
trap 'rm -f "$out" "$files"' EXIT

# What belongs to the project: what git knows or would add; in a copy without git, what lies there.
git ls-files --cached --others --exclude-standard >"$files" 2>/dev/null || : >"$files"
[ -s "$files" ] || find . \( -name build -o -name .git -o -name .run -o -name node_modules -o -name __pycache__ \) \
	-prune -o -type f -print | sed 's|^\./||' >"$files"

# 1. `path/file.c:function` is a function of that file; in SQL, one of schema millrace.
path=docs/data-path.md
grep -noE '`[A-Za-z0-9_./-]+\.(c|h|sql):[A-Za-z0-9_]+`' "$path" | tr -d '`' |
	while IFS=: read -r line file function; do
		if [ ! -f "$file" ]; then
			echo "$path:$line: there is no file $file"
		elif [ "${file%.sql}" != "$file" ]; then
			grep -q "FUNCTION millrace\.$function(" "$file" ||
				echo "$path:$line: $file has no function $function"
		else
			# A definition begins in the first column and is no declaration.
			awk -v name="$function" '
				/^[A-Za-z]/ && $0 ~ "(^|[ *])" name "\\(" {
					text = $0
					while (text !~ /[;{]/ && (getline more) > 0)
						text = text " " more
					if (text !~ /^[^{]*;/) { found = 1; exit }
				}
				END { exit !found }' "$file" || echo "$path:$line: $file has no function $function"
		fi
	done >>"$out"

# 2. Relative links, and their anchors. Code is not looked at.
grep '\.md$' "$files" | xargs -r perl -e '
	use strict; use warnings;
	sub text_of {
		my ($file) = @_;
		open my $in, "<", $file or return undef;
		local $/;
		my $text = <$in>;
		$text =~ s{^(```.*?^```)}{my $t = $1; $t =~ s/[^\n]//g; $t}gmse;
		return $text;
	}
	# As forges make them: lower case, words and hyphens, blanks to hyphens.
	sub has_anchor {
		my ($file, $anchor) = @_;
		for my $heading ((text_of($file) // "") =~ /^#+\s+(.*?)\s*$/gm) {
			my $slug = lc $heading;
			$slug =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
			$slug =~ s/[^\w\- ]//g;
			$slug =~ s/ /-/g;
			return 1 if $slug eq $anchor;
		}
		return 0;
	}
	for my $file (@ARGV) {
		my $text = text_of($file) // next;
		my ($dir) = $file =~ m{^(.*)/}; $dir //= ".";
		my $n = 0;
		for my $line (split /\n/, $text) {
			$n++;
			$line =~ s/`[^`]*`//g;
			while ($line =~ /\]\(([^)\s]+)\)/g) {
				my $target = $1;
				next if $target =~ m{^[a-z]+:};
				my ($path, $anchor) = $target =~ m{^([^#]*)(?:#(.*))?$};
				my $full = $path eq "" ? $file : "$dir/$path";
				if (!-e $full) {
					print "$file:$n: the link $target leads nowhere\n";
				} elsif (defined $anchor && $full =~ /\.md$/ && !has_anchor($full, $anchor)) {
					print "$file:$n: $full has no heading #$anchor\n";
				}
			}
		}
	}' >>"$out"

# 3. One word at least on each .c file of a folder: `name` or `name.c` or `name.h` in its README.
for dir in common router node node/handlers store cli scaler gateway; do
	set -- "$dir"/*.c
	[ -f "$1" ] || continue
	if [ ! -f "$dir/README.md" ]; then
		echo "$dir/README.md:1: is missing" >>"$out"
		continue
	fi
	for file; do
		name=$(basename "$file" .c)
		grep -qE "\`$name(\.[ch])?\`" "$dir/README.md" || echo "$dir/README.md:1: $name.c is not named" >>"$out"
	done
done

# 4. Keys and metrics.
manual=docs/operations.md
grep -ohE '"[a-z][a-z._]*", CONFIG_[A-Z]+' router/config.c node/config.c store/config.c scaler/config.c gateway/config.c scaler/heal_config.h common/bus.h \
	common/daemon.h common/pg.h | cut -d'"' -f2 | sort -u |
	while read -r key; do
		grep -qF "\`$key\`" "$manual" || echo "$manual:1: the configuration key $key is not told"
	done >>"$out"
others='tasks_(submitted|completed|failed)_total|task_execution_time_ms|queue_depth|agent_healthy'
metrics=$({
	grep -rohE '"(millrace|process)_[a-z_]+"' --include='*.c' common router node store scaler
	grep -rohE "\"(millrace_[a-z_]+|$others)\"" --include='*.c' gateway
} | tr -d '"' | sort -u)
for metric in $metrics; do
	grep -qF "\`$metric\`" "$manual" || echo "$manual:1: the metric $metric is not told"
done >>"$out"
grep -noE "\`((millrace|process)_[a-z]+_[a-z_]+|millrace_up|$others)\`" "$manual" | tr -d '`' |
	while IFS=: read -r line metric; do
		printf '%s\n' "$metrics" | grep -qx "$metric" || echo "$manual:$line: there is no metric $metric"
	done >>"$out"

# 5. What a publisher may set: the first names of task.h, each with its row, and no row of another's.
protocol=docs/protocol.md
names=$(sed -n '/^\/\* A publisher/,/^\/\* Set by the router alone/s/^#define H_[A-Z_]* "\([A-Za-z-]*\)".*/\1/p' common/task.h)
[ -n "$names" ] || echo "common/task.h:1: a publisher's headers are not found" >>"$out"
rows=$(sed -n '/^### What a publisher may set/,/^Where a task may run/s/^| `\(Task-[A-Za-z-]*\)` |.*/\1/p' "$protocol")
for name in $names; do
	printf '%s\n' "$rows" | grep -qx "$name" || echo "$protocol:1: the header $name has no row" >>"$out"
done
for name in $rows; do
	printf '%s\n' "$names" | grep -qx "$name" || echo "$protocol:1: $name is no header that a publisher may set" >>"$out"
done

# 6. Paths of somebody's machine. (The brackets keep this file from finding itself.)
grep -v '^tests/unit/check_docs\.sh$' "$files" | tr '\n' '\0' |
	xargs -0 -r grep -nHIE '(^|[^A-Za-z0-9_.})/-])/wor[k]([^A-Za-z0-9_-]|$)|(^|[^A-Za-z0-9_.})/-])/roo[t]/|\.\./share[d]' \
		2>/dev/null |
	while IFS=: read -r file line _; do
		echo "$file:$line: names a path of a private machine"
	done >>"$out" || true

[ -s "$out" ] || exit 0
sort -u "$out"
exit 1

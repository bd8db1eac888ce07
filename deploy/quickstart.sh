#!/bin/sh
# Everything at once, on a fresh Debian machine: installs what is missing, builds,
# starts the whole system in .run/, gives it real work and checks every result.
#
#   deploy/quickstart.sh [--once] [--offline]
#
# On a terminal it then stays until Ctrl-C. Without a terminal, or with --once, it stops
# cleanly and exits 0 only if every result was right. --offline installs nothing: missing
# packages are named, and it fails. May be run again, and twice at once.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
once=no
offline=no
for arg in "$@"; do
	case $arg in
	--once) once=yes ;;
	--offline) offline=yes ;;
	-h | --help)
		sed -n '2,10s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*)
		echo "quickstart.sh: '$arg' is none of --once, --offline" >&2
		exit 2
		;;
	esac
done
[ -t 0 ] && [ -t 1 ] || once=yes

step() { printf '\n== %s\n' "$*"; }

step "packages"
if [ $offline = yes ]; then
	missing=$(deploy/deps.sh --check build run) || {
		echo "missing packages (--offline installs nothing):" >&2
		printf '%s\n' "$missing" >&2
		exit 1
	}
else
	deploy/deps.sh build run
fi
echo "all there"
PATH="$root/.run/bin:$PATH"
export PATH

step "build (release)"
mkdir -p build
(
	# One build at a time in one checkout.
	flock 9
	cmake --preset release >build/release-configure.log 2>&1 || {
		cat build/release-configure.log >&2
		exit 1
	}
	# The programs alone; on a terminal with a line of progress.
	quiet=--quiet
	[ -t 1 ] && quiet=
	# shellcheck disable=SC2046
	ninja $quiet -C build/release $(ninja -C build/release -t targets all |
		sed -n 's/^\(bin\/millrace[^:]*\):.*/\1/p; s/^\(bin\/bare_pipeline\):.*/\1/p') &&
		echo "all built"
) 9>build/.lock
millrace=$root/build/release/bin/millrace

# .run is for one system; a second quickstart at the same time gets a directory of its own.
mkdir -p .run
dir=.run
exec 8>.run/quickstart.lock
if ! flock -n 8 || "$millrace" dev status --dir .run >/dev/null 2>&1; then
	dir=.run/quickstart-$$
	echo "a system runs in .run already; this one is in $dir"
fi

started=no
finish() {
	trap '' INT TERM HUP
	if [ $started = yes ]; then
		step "stopping"
		if [ "$dir" = .run ]; then
			"$millrace" dev stop --dir "$dir"
		else
			"$millrace" dev purge --dir "$dir"
		fi
		echo "all ended"
	fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step "start"
started=yes
"$millrace" dev --dir "$dir" --nodes 2 --handlers examples/nodes/handlers.yaml --detach 8>&-
eval "$("$millrace" dev env --dir "$dir")"

step "real work: every file of examples/data through stats, hash and words (wc -w, an exec handler)"
code=0
python3 deploy/quickstart_work.py "$millrace" || code=$?

printf '\nDashboard: %s\n' "$MILLRACE_HTTP"
if [ $once = no ]; then
	shown=$dir
	start=
else
	# What ran ends now, and a second system's directory goes with it.
	shown=.run
	start="
  millrace dev --handlers examples/nodes/handlers.yaml --detach    # this run's system ends now; millrace dev stop ends that one"
fi
cat <<TRY

What to try next, in another terminal:
  cd "$root"; export PATH="$root/build/release/bin:$root/.run/bin:\$PATH"$start
  eval "\$(millrace dev env --dir $shown)"
  millrace submit words --file README.md --wait
  millrace task list; millrace lane list; millrace node list
  millrace pool list; millrace scaler history        # how many nodes there are, and why
  nats pub tasks.echo 'job {{Count}}' --count 1000; nats stream report    # the plain nats CLI: github.com/nats-io/natscli
  nats request run.hash 'any bytes'
  millrace top                                       # the dashboard at a terminal; in a browser: "\$MILLRACE_HTTP"
  curl -d '{"type":"echo","payload":"hello"}' "\$MILLRACE_HTTP/api/v1/tasks?wait=10s"
  psql "\$DATABASE_URL" -c 'select * from millrace.v_system_health'
  millrace bench pipeline; millrace bench users --time-scale 0.1
TRY

if [ $once = no ]; then
	printf '\nIt runs until Ctrl-C.\n'
	trap 'exit $code' INT
	# A wait that a signal ends at once; the system's own end is noticed, too.
	while "$millrace" dev status --dir "$dir" >/dev/null 2>&1; do
		sleep 2 &
		wait $! || true
	done
fi
exit $code

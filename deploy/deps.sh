#!/bin/sh
# Installs what Millrace needs from Debian, and only what is missing.
#
#   deploy/deps.sh [--check] [build] [run] [test]
#
# Groups: build (compiler, libraries; Node.js and npm for the dashboard, without which the
# gateway builds as well), run (broker, PostgreSQL, Python), test (pytest, linters, PgBouncer;
# Chromium for the dashboard's tests, which are skipped without it). Default: build run. --check installs nothing: it prints
# the missing packages, one a line, and exits 1 when there are any.
#
# Where a Go of 1.21 or newer is on PATH and the broker at hand is older than
# 2.10, a pinned current nats-server is built into .run/bin; for tests the nats
# CLI too. That needs the network, and when it fails the distribution's broker
# still serves development.
#
# For tests, Prometheus and promtool of Debian's package are unpacked into .run/bin, not
# installed: its service would start.
set -eu

NATS_SERVER_VERSION=v2.15.2
NATS_CLI_VERSION=v0.4.0
NATS_PY_VERSION=2.16.0

BUILD="gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libnats-dev libjansson-dev libjemalloc-dev
	libyaml-dev libprotobuf-c-dev protobuf-c-compiler libpq-dev libssl-dev libcurl4-openssl-dev libmicrohttpd-dev uthash-dev libcmocka-dev"
# Python checks the quickstart's results, and is what some of the example nodes are written in.
RUN="nats-server postgresql util-linux python3 tzdata"
TEST="python3 python3-venv python3-pytest python3-pytest-xdist clang-tidy clang-format cppcheck pgbouncer
	procps faketime openssl python3-jsonschema"

root=$(cd "$(dirname "$0")/.." && pwd)
check=no
groups=
for arg in "$@"; do
	case $arg in
	--check) check=yes ;;
	build | run | test) groups="$groups $arg" ;;
	-h | --help)
		sed -n '2,19s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*)
		echo "deps.sh: '$arg' is none of --check, build, run, test" >&2
		exit 2
		;;
	esac
done
[ -n "$groups" ] || groups="build run"

say() { echo "deps: $*" >&2; }

wanted=
for group in $groups; do
	case $group in
	build) wanted="$wanted $BUILD" ;;
	run) wanted="$wanted $RUN" ;;
	test) wanted="$wanted $TEST" ;;
	esac
done

# What serves a package's purpose although dpkg does not know it by that name.
present() {
	case $1 in
	postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null ;;
	nats-server) command -v nats-server >/dev/null || [ -x "$root/.run/bin/nats-server" ] ||
		[ -x /usr/sbin/nats-server ] ;;
	*) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
	esac
}

missing=
for package in $wanted; do
	present "$package" || missing="$missing $package"
done

if [ $check = yes ]; then
	[ -z "$missing" ] && exit 0
	printf '%s\n' $missing
	exit 1
fi

may_install() {
	[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
		{ command -v sudo >/dev/null && (: </dev/tty) 2>/dev/null; }
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 \
		-o APT::Get::Update::SourceListWarnings=false "$@" >&2
}

if [ -n "$missing" ]; then
	command -v apt-get >/dev/null || {
		say "no apt-get here; please install:$missing"
		exit 1
	}
	may_install || {
		say "installing needs root, or sudo with a terminal to ask on. As root, once:"
		say "  apt-get update && apt-get install --no-install-recommends$missing"
		exit 1
	}
	say "installing:$missing"
	# The lists first: a fresh machine has none. Installing tells, where they could not be read.
	apt update || say "apt-get update failed; trying with the lists that are there"
	apt install -y --no-install-recommends $missing || {
		say "could not install:$missing"
		exit 1
	}
fi

# ---- Node.js for the dashboard, a browser for its tests: wanted, not needed ----

wished=
case " $groups " in *" build "* | *" test "*)
	# Node.js of elsewhere brings its own npm.
	command -v node >/dev/null || wished=nodejs
	command -v npm >/dev/null || wished="$wished npm"
	;;
esac
case " $groups " in *" test "*)
	command -v chromium >/dev/null || wished="$wished chromium"
	;;
esac
if [ -n "$wished" ] && command -v apt-get >/dev/null && may_install; then
	say "installing:" $wished "(for the dashboard and its tests)"
	[ -n "$missing" ] || apt update || true
	apt install -y --no-install-recommends $wished ||
		say "no" $wished: "without npm the gateway is built without its dashboard; without a browser its tests are skipped"
fi

# ---- a current broker, and the nats CLI, where Go can build them ----

newer() { # newer A B: whether version A >= B
	[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

go_usable() {
	command -v go >/dev/null || return 1
	version=$(go env GOVERSION 2>/dev/null | sed 's/^go//')
	[ -n "$version" ] && newer "$version" 1.21
}

# A go.mod of our own that names the version: `go install path@version` asks the proxy for the
# list of versions, which not every proxy has.
go_build() { # go_build NAME MODULE PACKAGE VERSION
	work=$(mktemp -d "$root/.run/go-build.XXXXXX")
	printf 'module build\n\ngo 1.21\n\nrequire %s %s\n' "$2" "$4" >"$work/go.mod"
	say "building $1 $4 with Go"
	if (cd "$work" && timeout 900 go build -mod=mod -o "$work/$1" "$3") >"$work/log" 2>&1; then
		mv -f "$work/$1" "$root/.run/bin/$1"
		rm -rf "$work"
	else
		tail -n 3 "$work/log" | sed 's/^/deps:   /' >&2
		rm -rf "$work"
		return 1
	fi
}

broker_version() { # of the first current one: ours, else that on PATH; nothing where neither is
	for broker in "$root/.run/bin/nats-server" "$(command -v nats-server || true)"; do
		[ -x "$broker" ] || continue
		v=$("$broker" --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p')
		if [ -n "$v" ] && newer "$v" 2.10; then
			echo "$v"
			return
		fi
	done
}

needs_broker=no
needs_cli=no
case " $groups " in *" run "*) [ -n "$(broker_version)" ] || needs_broker=yes ;; esac
case " $groups " in *" test "*)
	command -v nats >/dev/null || [ -x "$root/.run/bin/nats" ] || needs_cli=yes
	;;
esac

if [ $needs_broker$needs_cli != nono ]; then
	if go_usable; then
		mkdir -p "$root/.run/bin"
		# One build at a time: two quickstarts may run at once.
		exec 9>"$root/.run/bin/.lock"
		flock 9
		if [ $needs_broker = yes ] && [ -z "$(broker_version)" ]; then
			go_build nats-server github.com/nats-io/nats-server/v2 \
				github.com/nats-io/nats-server/v2 $NATS_SERVER_VERSION ||
				say "no current nats-server; the distribution's serves development only"
		fi
		if [ $needs_cli = yes ] && [ ! -x "$root/.run/bin/nats" ]; then
			go_build nats github.com/nats-io/natscli \
				github.com/nats-io/natscli/nats $NATS_CLI_VERSION ||
				say "no nats CLI; the tests that use it will be skipped"
		fi
	else
		[ $needs_broker = no ] ||
			say "the nats-server here is older than 2.10: fine to try things. A current one: put it, or Go >= 1.21, on PATH"
		[ $needs_cli = no ] ||
			say "no nats CLI: the tests with it are skipped. Put it (github.com/nats-io/natscli), or Go >= 1.21, on PATH"
	fi
fi

# ---- the NATS client for Python, for the example node that is tested ----

case " $groups " in *" test "*)
	# Debian's own, whatever else is on PATH.
	system_python=/usr/bin/python3
	python=$root/.run/venv/bin/python3
	if ! "$system_python" -c 'import nats' 2>/dev/null && ! "$python" -c 'import nats' 2>/dev/null; then
		mkdir -p "$root/.run"
		exec 7>"$root/.run/.venv.lock"
		flock 7
		{ [ -x "$python" ] || "$system_python" -m venv "$root/.run/venv"; } >&2 &&
			timeout 300 "$python" -m pip -q install "nats-py==$NATS_PY_VERSION" >&2 ||
			say "no nats-py; the tests of the Python node will be skipped"
	fi
	;;
esac

# ---- Prometheus, for the test of the Grafana board ----

prometheus_there() {
	{ command -v prometheus && command -v promtool; } >/dev/null ||
		{ [ -x "$root/.run/bin/prometheus" ] && [ -x "$root/.run/bin/promtool" ]; }
}

unpack_prometheus() { # unpack_prometheus DIR
	cd "$1"
	timeout 300 apt-get -q download prometheus || {
		# No lists yet, or old ones.
		may_install && apt update && timeout 300 apt-get -q download prometheus
	} || return 1
	dpkg-deb -x prometheus_*.deb . && mv -f usr/bin/promtool usr/bin/prometheus "$root/.run/bin/"
}

case " $groups " in *" test "*)
	if ! prometheus_there && command -v apt-get >/dev/null; then
		mkdir -p "$root/.run/bin"
		exec 6>"$root/.run/.prometheus.lock"
		flock 6
		work=$(mktemp -d "$root/.run/prometheus.XXXXXX")
		prometheus_there || (unpack_prometheus "$work") >"$work/log" 2>&1 || {
			tail -n 3 "$work/log" | sed 's/^/deps:   /' >&2
			say "no Prometheus; the tests with it will be skipped"
		}
		rm -rf "$work"
	fi
	;;
esac

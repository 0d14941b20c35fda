#!/usr/bin/env bash
# The web push channel against what is not ours: the push service of the npm package web-push-testing, which verifies and
# decrypts, and the service worker in Chromium. It needs Node, npm and its registry, and for the worker Chromium (with root
# it installs it); what does not run it says, and then returns 3.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
here=$root/.ci/servers/webpush
packages=(web-push-testing@1.2.2 playwright-core@1.65.1)
export CGO_ENABLED=0
notrun=3

for tool in node npm; do
	command -v "$tool" >/dev/null || { echo "NOT RUN: $tool is not installed"; exit $notrun; }
done
temp=$(mktemp -d)
service=
stop() {
	if [ -n "$service" ]; then
		kill "$service" 2>/dev/null || true
		wait "$service" 2>/dev/null || true
	fi
	rm -rf "$temp"
}
trap stop EXIT

npm install --prefix "$temp" --silent --no-audit --no-fund --no-save --ignore-scripts "${packages[@]}" >"$temp/npm" 2>&1 || {
	tail -5 "$temp/npm"
	echo "NOT RUN: npm cannot install ${packages[*]}"
	exit $notrun
}
node "$here/service.cjs" "$temp" "$temp/port" >"$temp/log" 2>&1 &
service=$!
for _ in $(seq 1200); do
	[ -s "$temp/port" ] && break
	kill -0 "$service" 2>/dev/null || break
	sleep 0.1
done
[ -s "$temp/port" ] || { cat "$temp/log"; echo "the push service did not start"; exit 1; }
echo "- ${packages[0]} (Node $(node --version)) on 127.0.0.1:$(cat "$temp/port")"

code=0
go test -count=1 -v -run TestInterop ./publishers/webpush -service "http://localhost:$(cat "$temp/port")" >"$temp/test" 2>&1 || code=$?
grep -vE '^=== ' "$temp/test"
[ $code = 0 ] || { cat "$temp/log"; exit $code; }
grep -q -- '--- PASS: TestInterop' "$temp/test" || { echo "the test did not run"; exit 1; }

chromium=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$chromium" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "- installing chromium"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null || true
	chromium=$(command -v chromium || true)
fi
[ -n "$chromium" ] || { echo "NOT RUN: the service worker needs Chromium"; exit $notrun; }
timeout 600 node "$here/worker.mjs" "$temp" "$chromium" "$root"

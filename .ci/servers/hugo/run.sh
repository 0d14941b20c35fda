#!/usr/bin/env bash
# Real site generators build what the website channel commits, hostile texts among it: Hugo, Jekyll (as version 4, and as
# version 3 would read it), and Eleventy where npm brings it. It installs what is missing and what it may; what does not
# run it says. Without Hugo the exit code is 3.
set -euo pipefail
cd "$(dirname "$0")/../../.."
notrun=3

have() { # COMMAND PACKAGE
	if command -v "$1" >/dev/null; then
		return 0
	fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		return 1
	fi
	echo "- installing $2"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $2 >/dev/null
}

if ! have hugo hugo; then
	echo "NOT RUN: hugo is not installed, and cannot be installed: that needs root, apt-get and its archive"
	exit $notrun
fi
temp=$(mktemp -d /tmp/crieur-hugo.XXXXXX)
trap 'rm -rf "$temp"' EXIT
flags=(-hugo "$(command -v hugo)")
wanted=1
hugo version

if have jekyll "jekyll ruby-kramdown-parser-gfm"; then
	flags+=(-jekyll "$(command -v jekyll)")
	wanted=$((wanted + 1))
	jekyll --version
else
	echo "NOT RUN: jekyll is not installed, and cannot be installed: that needs root, apt-get and its archive"
fi

if command -v npm >/dev/null && (cd "$temp" && npm init -y >/dev/null 2>&1 && npm install --silent --no-audit --no-fund @11ty/eleventy@2.0.1 >"$temp/npm" 2>&1); then
	flags+=(-eleventy "$temp/node_modules/.bin/eleventy")
	wanted=$((wanted + 1))
	echo "eleventy $("$temp/node_modules/.bin/eleventy" --version)"
else
	echo "NOT RUN: Eleventy needs npm and its registry"
fi

go test -count=1 -timeout 30m -v -run 'ShowsItLiterally' ./publishers/website "${flags[@]}" >"$temp/out" 2>&1 || { grep -vE '^=== ' "$temp/out"; exit 1; }
grep -E '^ *(--- |ok|.*built with)' "$temp/out"
if [ "$(grep -c 'built with' "$temp/out")" != $wanted ]; then
	echo "a generator is there, and the tests do not use it"
	exit 1
fi

#!/bin/sh
# Makes a new channel from this one: sh publishers/skeleton/new.sh fax
set -eu
name=${1:-}
case $name in
'' | *[!a-z0-9]* | [0-9]*) echo "usage: sh publishers/skeleton/new.sh NAME (lower-case letters and digits)" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.."
if [ -e "publishers/$name" ] || [ -e "docs/channels/$name.md" ]; then
	echo "publishers/$name or docs/channels/$name.md is there already" >&2
	exit 1
fi
upper=$(printf %s "$name" | tr a-z A-Z)
copy() { # Go files from below the build constraint on
	mkdir -p "$(dirname "$2")"
	case $1 in
	*.go) sed '1,/^$/{/^\/\//d;}' "$1" | sed '/^\/\/go:build skeleton$/d' ;;
	*) cat "$1" ;;
	esac | sed -e "s/skeleton/$name/g" -e "s/SKELETON/$upper/g" >"$2"
}
from=publishers/skeleton
copy $from/skeleton.go "publishers/$name/$name.go"
copy $from/skeleton_test.go "publishers/$name/${name}_test.go"
copy $from/skeletontest/skeletontest.go "publishers/$name/${name}test/${name}test.go"
copy $from/testdata/publish.json "publishers/$name/testdata/publish.json"
copy $from/page.md "docs/channels/$name.md"
gofmt -w "publishers/$name"
cat <<END
publishers/$name is there, and its tests pass: go test ./publishers/$name/...
Two lines switch it on:
  publishers/publishers.go, in list():
	define("$name", func(c $name.Config, d Deps) (announce.Publisher, error) { return $name.New(c, d.Site) }),
  internal/world, in its list: see the line of another channel.
END

#!/usr/bin/env bash
# The website channel against Git's own servers: git-http-backend over HTTPS with a token, and OpenSSH with a deploy key and
# pinned host keys. It installs openssh-server where that is missing and it may; what cannot run it says (exit code 3).
set -euo pipefail
cd "$(dirname "$0")/../../.."
notrun=3

need() { # COMMAND PACKAGE
	if [ -x "$1" ] || command -v "$1" >/dev/null; then
		return 0
	fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "NOT RUN: $2 is not installed, and installing it needs root and apt-get"
		exit $notrun
	fi
	echo "- installing $2"
	if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$2" >/dev/null; }; then
		echo "NOT RUN: $2 is not installed, and apt-get cannot install it now"
		exit $notrun
	fi
}

need git git
backend=$(git --exec-path)/git-http-backend
need "$backend" git
sshd=/usr/sbin/sshd
need $sshd openssh-server
need ssh-keygen openssh-client

temp=$(mktemp -d /tmp/crieur-git.XXXXXX)
server=
shell=
finish() {
	if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
	if [ -n "$shell" ]; then kill "$shell" 2>/dev/null || true; fi
	rm -rf "$temp"
}
trap finish EXIT
export GIT_CONFIG_GLOBAL=/dev/null # no settings of whoever runs this
export GIT_CONFIG_NOSYSTEM=1

# A site with some history, pictures too.
mkdir "$temp/root"
git init -q --bare -b main "$temp/root/site.git"
git -C "$temp/root/site.git" config http.receivepack true
git init -q -b main "$temp/work"
mkdir -p "$temp/work/content/posts" "$temp/work/static"
printf "baseURL = 'https://example.org/'\n" >"$temp/work/hugo.toml"
head -c 3000000 /dev/urandom >"$temp/work/static/film.mp4"
for n in 1 2 3; do
	printf '# Site %s\n' "$n" >"$temp/work/README.md"
	printf -- '---\ntitle: %s\n---\n' "$n" >"$temp/work/content/posts/$n.md"
	git -C "$temp/work" add -A
	git -C "$temp/work" -c user.name=Ada -c user.email=ada@example.org commit -q -m "State $n"
done
git -C "$temp/work" push -q "$temp/root/site.git" main

# HTTPS.
token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
go build -o "$temp/serve" ./.ci/servers/git/serve.go
mkfifo "$temp/stop"
"$temp/serve" -root "$temp/root" -backend "$backend" -token "$token" -certificate "$temp/ca.pem" -address "$temp/address" <"$temp/stop" &
server=$!
exec 9>"$temp/stop" # the server ends with this script

# SSH, on a port of its own.
ssh-keygen -q -t ed25519 -N '' -C host -f "$temp/host"
ssh-keygen -q -t ed25519 -N '' -C deploy -f "$temp/deploy"
cp "$temp/deploy.pub" "$temp/authorized"
mkdir -p /run/sshd 2>/dev/null || true
start_shell() { # PORT
	cat >"$temp/sshd_config" <<END
Port $1
ListenAddress 127.0.0.1
HostKey $temp/host
AuthorizedKeysFile $temp/authorized
PidFile $temp/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PermitTTY no
MaxStartups 100
END
	$sshd -D -e -f "$temp/sshd_config" 2>"$temp/sshd.log" 9>&- &
	shell=$!
	for _ in $(seq 1200); do
		if grep -q 'Server listening' "$temp/sshd.log"; then return 0; fi
		kill -0 $shell 2>/dev/null || return 1
		sleep 0.05
	done
	kill "$shell" 2>/dev/null || true
	return 1
}
port=
for try in $(seq 20); do
	port=$((20000 + (RANDOM + try) % 20000))
	if start_shell $port; then break; fi
	port=
done
if [ -z "$port" ]; then
	cat "$temp/sshd.log"
	exit 1
fi
printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$temp/host.pub")" >"$temp/known"
for _ in $(seq 1200); do
	if [ -s "$temp/address" ] || ! kill -0 "$server" 2>/dev/null; then break; fi
	sleep 0.05
done
if ! [ -s "$temp/address" ]; then
	echo "the HTTPS server did not start"
	exit 1
fi

echo "- $(git --version), $backend over HTTPS at $(cat "$temp/address")"
echo "- $($sshd -V 2>&1 | sed -n 1p) on port $port"
SSL_CERT_FILE=$temp/ca.pem go test -count=1 -timeout 30m -v -run 'TestRealGit' ./publishers/website \
	-bare "$temp/root/site.git" -https "$(cat "$temp/address")/site.git" -token "$token" \
	-ssh "ssh://$(id -un)@127.0.0.1:$port$temp/root/site.git" -key "$temp/deploy" -known "$temp/known" >"$temp/out" 2>&1 || { grep -vE '^=== ' "$temp/out"; tail -5 "$temp/sshd.log"; exit 1; }
grep -E '^ *(--- |ok|.*published, found)' "$temp/out"
if grep -q 'NOT RUN' "$temp/out"; then
	echo "the servers are there, and the tests do not use them"
	exit 1
fi

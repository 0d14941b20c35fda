#!/usr/bin/env bash
# Bounces with a real Postfix, in a folder of its own: the next server refuses mail under our return path, Postfix writes the bounce
# and brings it to our LMTP listener, over TCP and over a unix socket. It installs postfix where that is missing and it may; what cannot run it says (exit code 3).
set -euo pipefail
cd "$(dirname "$0")/../../.."
notrun=3

if [ "$(id -u)" != 0 ]; then
	echo "NOT RUN: Postfix starts as root only"
	exit $notrun
fi
if ! command -v postfix >/dev/null; then
	if ! command -v apt-get >/dev/null; then
		echo "NOT RUN: postfix is not installed, and installing it needs apt-get"
		exit $notrun
	fi
	echo "- installing postfix"
	echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
	if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postfix >/dev/null; }; then
		echo "NOT RUN: postfix could not be installed"
		exit $notrun
	fi
fi

temp=$(mktemp -d /tmp/crieur-postfix.XXXXXX)
chmod 755 "$temp"
started=
finish() {
	if [ -n "$started" ]; then postfix -c "$temp/etc" stop >/dev/null 2>&1 || true; fi
	rm -rf "$temp"
}
trap finish EXIT

# configure SMTP NEXT LMTP, where LMTP is written as Postfix does.
configure() {
	cat >"$temp/etc/main.cf" <<END
compatibility_level = 3.6
queue_directory = $temp/spool
data_directory = $temp/data
maillog_file = $temp/log/mail.log
maillog_file_prefixes = $temp/log
myhostname = mx.example.net
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = bounce.example.org
local_recipient_maps =
alias_maps =
alias_database =
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = error:5.1.2 there is nothing but this machine
transport_maps = inline:{ { bounce.example.org = lmtp:$3 }, { example.com = smtp:[127.0.0.1]:$2 } }
smtp_dns_support_level = disabled
minimal_backoff_time = 1s
queue_run_delay = 1s
END
	cat >"$temp/etc/master.cf" <<END
127.0.0.1:$1 inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
lmtp      unix - - n - - lmtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
END
}

go test -c -o "$temp/bounce.test" ./internal/bounce
for way in tcp unix; do
	port=$((20000 + RANDOM % 20000))
	mkdir -p "$temp/etc" "$temp/spool" "$temp/log"
	install -d -o postfix "$temp/data"
	if [ $way = tcp ]; then
		lmtp=127.0.0.1:$((port + 2))
		configure $port $((port + 1)) "inet:$lmtp"
	else
		lmtp=unix:$temp/bounces.sock
		configure $port $((port + 1)) "$lmtp"
	fi
	postfix -c "$temp/etc" start >"$temp/start" 2>&1 || { cat "$temp/start" "$temp/log/mail.log" 2>/dev/null; exit 1; }
	started=yes
	echo "- Postfix $(postconf -h mail_version), bounces to $way"
	if ! (cd internal/bounce && "$temp/bounce.test" -test.v -test.timeout 3m -test.run '^TestRealPostfix$' -postfix 127.0.0.1:$port -next 127.0.0.1:$((port + 1)) -lmtp "$lmtp" >"$temp/out" 2>&1); then
		cat "$temp/out"
		tail -40 "$temp/log/mail.log"
		exit 1
	fi
	if grep -q 'NOT RUN' "$temp/out"; then
		echo "the server is there, and the test does not use it"
		exit 1
	fi
	grep -E '^ *(--- |postfix_test)' "$temp/out"
	postfix -c "$temp/etc" stop >/dev/null 2>&1
	started=
	rm -rf "$temp/etc" "$temp/spool" "$temp/data" "$temp/log"
done

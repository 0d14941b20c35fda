#!/usr/bin/env bash
# A mail through real servers: Postfix takes it, OpenDKIM verifies its signatures, Dovecot keeps it; then independent readers
# (enmime, python3-dkim, python3-icalendar) read it. It needs these Debian packages and root to install and start them; without
# them it says so and returns 3.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
here=$root/.ci/servers/mail
export CGO_ENABLED=0
packages="postfix dovecot-lmtpd dovecot-imapd opendkim python3-dkim python3-icalendar openssl"

if [ "$(id -u)" != 0 ]; then
	echo "NOT RUN: starting Postfix and Dovecot needs root"
	exit 3
fi
missing=
for p in $packages; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	echo "- installing$missing"
	if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } >/tmp/crieur-mail-apt.$$ 2>&1; then
		tail -3 /tmp/crieur-mail-apt.$$
		rm -f /tmp/crieur-mail-apt.$$
		echo "NOT RUN: these packages cannot be installed:$missing"
		exit 3
	fi
	rm -f /tmp/crieur-mail-apt.$$
fi

temp=$(mktemp -d /tmp/crieur-mail.XXXXXX)
chmod 755 "$temp"
stop() {
	postfix -c "$temp/postfix" stop >/dev/null 2>&1 || true
	doveadm -c "$temp/dovecot.conf" stop >/dev/null 2>&1 || true
	if [ -s "$temp/opendkim.pid" ]; then kill "$(cat "$temp/opendkim.pid")" 2>/dev/null || true; fi
	rm -rf "$temp"
}
trap stop EXIT

# free prints a port that nobody listens on.
free() {
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
smtp=$(free)
milter=$(free)

# Keys, and what DNS would say of them.
openssl genrsa -traditional -out "$temp/rsa.pem" 2048 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$temp/ed.pem"
chmod 644 "$temp"/*.pem
rsa=$(openssl rsa -in "$temp/rsa.pem" -pubout -outform der 2>/dev/null | base64 -w0)
ed=$(openssl pkey -in "$temp/ed.pem" -pubout -outform der | tail -c 32 | base64 -w0)
printf 'rsa._domainkey.example.org v=DKIM1; k=rsa; p=%s\ned._domainkey.example.org v=DKIM1; k=ed25519; p=%s\n' "$rsa" "$ed" >"$temp/keys"
chmod 644 "$temp/keys"

cat >"$temp/opendkim.conf" <<CONF
Mode v
Socket inet:$milter@127.0.0.1
PidFile $temp/opendkim.pid
TestPublicKeys $temp/keys
AlwaysAddARHeader yes
AuthservID real.example.org
UserID opendkim
Syslog no
InternalHosts /dev/null
CONF
touch "$temp/opendkim.pid"
chown opendkim "$temp/opendkim.pid"
opendkim -x "$temp/opendkim.conf"

id vmail >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin vmail
mkdir -p "$temp/mail" "$temp/dovecot"
chown vmail "$temp/mail"
cat >"$temp/dovecot.conf" <<CONF
protocols = lmtp
base_dir = $temp/dovecot
log_path = $temp/dovecot.log
ssl = no
mail_location = maildir:$temp/mail/%n
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
userdb {
  driver = static
  args = uid=vmail gid=vmail home=$temp/mail/%n
}
passdb {
  driver = static
  args = nopassword=y
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service anvil {
  chroot =
}
CONF
dovecot -c "$temp/dovecot.conf"
chmod 755 "$temp/dovecot"

mkdir -p "$temp/postfix" "$temp/queue" "$temp/data"
chown postfix "$temp/data"
cat >"$temp/postfix/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $temp/queue
data_directory = $temp/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = real.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = example.org
virtual_mailbox_maps = static:all
virtual_transport = lmtp:unix:$temp/dovecot/lmtp
alias_maps =
local_recipient_maps =
smtpd_milters = inet:127.0.0.1:$milter
milter_default_action = tempfail
maillog_file = $temp/postfix.log
maillog_file_prefixes = $temp
CONF
cat >"$temp/postfix/master.cf" <<CONF
127.0.0.1:$smtp inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
CONF
postfix -c "$temp/postfix" start 2>"$temp/start" || { cat "$temp/start"; exit 1; }
echo "- Postfix $(postconf -c "$temp/postfix" -h mail_version), Dovecot $(dovecot --version | cut -d' ' -f1), $(opendkim -V | head -1)"

code=0
go test -count=1 -v -run TestRealServers ./publishers/email -relay "127.0.0.1:$smtp" -maildir "$temp/mail/ada/new" -keys "$temp" >"$temp/test" 2>&1 || code=$?
grep -vE '^=== ' "$temp/test" || true
if [ $code != 0 ]; then
	tail -n 20 "$temp/postfix.log" || true
	tail -n 20 "$temp/dovecot.log" || true
	exit $code
fi
if grep -q -- '--- SKIP' "$temp/test"; then
	echo "the servers run, and the test does not use them"
	exit 1
fi
/usr/bin/python3 "$here/read.py" "$temp/mail/ada/new" "$temp/keys"

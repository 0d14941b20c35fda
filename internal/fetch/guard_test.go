package fetch

import (
	"errors"
	"net/netip"
	"testing"
)

func TestGuard(t *testing.T) {
	check := Guard()
	for address, pass := range map[string]bool{
		"1.1.1.1:443": true, "93.184.215.14:80": true, "172.15.255.255:1": true, "172.32.0.0:1": true, "100.63.255.255:1": true,
		"100.128.0.0:1": true, "169.253.0.1:1": true, "192.0.1.1:1": true, "198.17.0.1:1": true, "198.20.0.1:1": true, "223.255.255.255:1": true,
		"[2606:4700:4700::1111]:443": true, "[2001:200::1]:1": true, "[2a00:1450::1]:1": true,
		"[64:ff9b::1.1.1.1]:443": true, "[2002:101:101::1]:443": true, "[::ffff:1.1.1.1]:443": true,

		"0.0.0.0:80": false, "0.1.2.3:80": false, "127.0.0.1:80": false, "127.255.255.255:80": false, "10.0.0.1:80": false,
		"172.16.0.1:80": false, "172.31.255.255:80": false, "192.168.1.1:80": false, "169.254.169.254:80": false,
		"100.64.0.1:80": false, "100.127.255.255:80": false, "192.0.0.8:80": false, "192.0.2.1:80": false, "198.51.100.1:80": false,
		"203.0.113.1:80": false, "198.18.0.1:80": false, "198.19.255.255:80": false, "192.88.99.1:80": false,
		"224.0.0.1:80": false, "239.255.255.255:80": false, "240.0.0.1:80": false, "255.255.255.255:80": false,

		"[::]:80": false, "[::1]:80": false, "[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": false, "[::ffff:169.254.169.254]:80": false,
		"[::127.0.0.1]:80": false, "[64:ff9b::127.0.0.1]:80": false, "[64:ff9b::a00:1]:80": false, "[64:ff9b:1::1.1.1.1]:80": false,
		"[2002:7f00:1::]:80": false, "[2002:a00:1::1]:80": false, "[2002:c0a8:101::1]:80": false, "[2001::1]:80": false, "[2001:0:4136:e378::1]:80": false,
		"[fe80::1]:80": false, "[fe80::1%lo]:80": false, "[fec0::1]:80": false, "[fc00::1]:80": false, "[fd12:3456::1]:80": false,
		"[ff02::1]:80": false, "[ff0e::1]:80": false, "[2001:db8::1]:80": false, "[3fff::1]:80": false, "[100::1]:80": false, "[4000::1]:80": false,
		"": false, "localhost:80": false, "127.1:80": false, "1.1.1.1": false,
	} {
		err := check("tcp", address, nil)
		if (err == nil) != pass {
			t.Errorf("%s: %v, want it to pass: %t", address, err, pass)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Reason != Private) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, network := range []string{"udp", "unix", "ip4:icmp"} {
		if check(network, "1.1.1.1:80", nil) == nil {
			t.Errorf("a connection over %s passes", network)
		}
	}
}

func TestGuardAllows(t *testing.T) {
	check := Guard(netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8"))
	for address, pass := range map[string]bool{
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "[fd00::1]:80": true, "[fd00::1%lo]:80": true, "1.1.1.1:80": true,
		"10.2.0.1:80": false, "127.0.0.1:80": false, "[::1]:80": false, "[64:ff9b::a01:203]:80": false,
	} {
		if err := check("tcp4", address, nil); (err == nil) != pass {
			t.Errorf("%s: %v, want it to pass: %t", address, err, pass)
		}
	}
}

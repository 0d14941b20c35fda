package queue

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// serve runs a NATS server as an operator would, on a loopback port.
func serve(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoSigs, o.NoLog, o.JetStream = "127.0.0.1", true, true, true
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	o.JetStreamMaxStore, o.JetStreamMaxMemory = 1<<30, 1<<20
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s
}

// freePort is a port that nobody listens on, outside the range from which systems take ports for connections.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 15_000+mathrand.IntN(15_000)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }()
		return l.Addr().(*net.TCPAddr).Port
	}
	t.Fatal("no port is free")
	return 0
}

func TestExternalServer(t *testing.T) {
	s := serve(t, &server.Options{Username: "crieur", Password: "pass-word"})
	url := strings.Replace(s.ClientURL(), "nats://", "nats://crieur:pass-word@", 1)
	one, two := open(t, Config{URL: url}), open(t, Config{URL: url})
	other := open(t, Config{URL: url, Name: "other.one"})
	got, elsewhere := newTally(), newTally()
	consume(t, one, "slack", 1, got.add)
	consume(t, two, "slack", 1, got.add)
	consume(t, other, "slack", 1, elsewhere.add)
	const total = 200
	for i := range total {
		if err := two.Enqueue(t.Context(), Job{"slack", fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "every nudge comes", func() bool { return got.pairs() == total })
	for j, n := range got.seen {
		if n != 1 {
			t.Errorf("%v came %d times", j, n)
		}
	}
	if elsewhere.pairs() != 0 {
		t.Error("a nudge came to another installation")
	}
}

func TestExternalServerRefuses(t *testing.T) {
	s := serve(t, &server.Options{Username: "crieur", Password: "pass-word"})
	url := strings.Replace(s.ClientURL(), "nats://", "nats://crieur:wrong-word@", 1)
	for _, c := range []Config{
		{URL: url},
		{URL: "nats://crieur:pass%word@" + s.Addr().String()},
		{URL: "nats://"},
		{URL: s.ClientURL(), Credentials: filepath.Join(t.TempDir(), "none.creds")},
		{URL: s.ClientURL(), CA: filepath.Join(t.TempDir(), "none.pem")},
		{URL: "nats://crieur:pass-word@" + s.Addr().String(), Replicas: 3},
	} {
		q, err := Open(t.Context(), c)
		if err == nil {
			t.Errorf("%+v was accepted", c)
			_ = q.Close(context.Background())
		} else if strings.Contains(err.Error(), "-word") || strings.Contains(err.Error(), "%w") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestExternalServerComesLateAndGoesAway(t *testing.T) {
	t.Parallel()
	o := server.Options{Port: freePort(t), StoreDir: t.TempDir()}
	q := open(t, Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", o.Port)})
	got := newTally()
	consume(t, q, "slack", 1, got.add)
	if q.Health(t.Context()) == nil || q.Enqueue(t.Context(), Job{"slack", "early"}) == nil {
		t.Error("there is no server, and all seems well")
	}
	again := o
	s := serve(t, &o)
	carries(t, q, got, "slack", "late")
	s.Shutdown()
	s.WaitForShutdown()
	eventually(t, "health tells", func() bool { return q.Health(t.Context()) != nil })
	began := time.Now()
	if q.Enqueue(t.Context(), Job{"slack", "down"}) == nil || time.Since(began) > patience+5*time.Second {
		t.Errorf("without a server Enqueue succeeds or takes long: %v", time.Since(began))
	}
	serve(t, &again)
	carries(t, q, got, "slack", "back")
}

// authority signs certificates for loopback.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.issue("ca")
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string) {
	a.t.Helper()
	must := func(err error) {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		c.IsCA = true
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(err)
	if a.cert == nil {
		a.cert, err = x509.ParseCertificate(der)
		must(err)
		a.key = key
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	must(os.WriteFile(a.file(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(os.WriteFile(a.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
}

func TestMutualTLSAndCredentialsFile(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("server")
	a.issue("client")
	pair, err := tls.LoadX509KeyPair(a.file("server.pem"), a.file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	operator, resolver, creds := operatorMode(t)
	s := serve(t, &server.Options{
		TLS: true, TLSVerify: true, TLSTimeout: 5,
		TLSConfig:        &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12},
		TrustedOperators: []*jwt.OperatorClaims{operator}, AccountResolver: resolver, SystemAccount: operator.SystemAccount,
	})
	c := Config{
		URL: "tls://" + s.Addr().String(), CA: a.file("ca.pem"), Certificate: a.file("client.pem"), Key: a.file("client.key"),
		Credentials: creds,
	}
	q := open(t, c)
	got := newTally()
	consume(t, q, "slack", 1, got.add)
	carries(t, q, got, "slack", "a")

	strange := newAuthority(t)
	wrong := c
	wrong.CA = strange.file("ca.pem")
	if q, err := Open(t.Context(), wrong); err == nil {
		t.Error("a server that a stranger certified was accepted")
		_ = q.Close(context.Background())
	}
	wrong = c
	wrong.Credentials = ""
	if q, err := Open(t.Context(), wrong); err == nil {
		t.Error("the server took us without credentials")
		_ = q.Close(context.Background())
	}
}

// operatorMode makes an operator with one account that has JetStream and one user, whose credentials file it writes.
func operatorMode(t *testing.T) (*jwt.OperatorClaims, server.AccountResolver, string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keys := func(make func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		t.Helper()
		k, err := make()
		must(err)
		public, err := k.PublicKey()
		must(err)
		return k, public
	}
	op, opKey := keys(nkeys.CreateOperator)
	acc, accKey := keys(nkeys.CreateAccount)
	_, sysKey := keys(nkeys.CreateAccount)
	user, userKey := keys(nkeys.CreateUser)
	resolver := &server.MemAccResolver{}
	for _, k := range []string{accKey, sysKey} {
		claims := jwt.NewAccountClaims(k)
		if k == accKey {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
		}
		token, err := claims.Encode(op)
		must(err)
		must(resolver.Store(k, token))
	}
	oc := jwt.NewOperatorClaims(opKey)
	oc.SystemAccount = sysKey
	signed, err := oc.Encode(op)
	must(err)
	oc, err = jwt.DecodeOperatorClaims(signed)
	must(err)
	ut, err := jwt.NewUserClaims(userKey).Encode(acc)
	must(err)
	seed, err := user.Seed()
	must(err)
	text, err := jwt.FormatUserConfig(ut, seed)
	must(err)
	path := filepath.Join(t.TempDir(), "user.creds")
	must(os.WriteFile(path, text, 0o600))
	return oc, resolver, path
}

// Three servers, three copies: one may go without a nudge being lost, and the queue goes on by itself.
func TestCluster(t *testing.T) {
	t.Parallel()
	const nodes = 3
	var ports, routes [nodes]int
	var all []string
	for i := range nodes {
		ports[i], routes[i] = freePort(t), freePort(t)
		all = append(all, fmt.Sprintf("nats://127.0.0.1:%d", routes[i]))
	}
	var servers [nodes]*server.Server
	var urls []string
	for i := range nodes {
		o := &server.Options{ServerName: fmt.Sprint("n", i), Port: ports[i], Routes: server.RoutesFromStr(strings.Join(all, ","))}
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: routes[i]}
		servers[i] = serve(t, o)
		urls = append(urls, servers[i].ClientURL())
	}
	eventually(t, "the cluster has a leader and all its members", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == nodes {
				return true
			}
		}
		return false
	})
	q := open(t, Config{URL: strings.Join(urls, ","), Replicas: nodes})
	got := newTally()
	stop := consume(t, q, "slack", 4, got.add)
	carries(t, q, got, "slack", "before")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	const total = 100
	for i := range total {
		if err := q.Enqueue(t.Context(), Job{"slack", fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := q.js.Stream(t.Context(), q.stream)
	if err != nil {
		t.Fatal(err)
	}
	cluster := info.CachedInfo().Cluster
	if cluster == nil || len(cluster.Replicas) != nodes-1 {
		t.Fatalf("the stream does not have %d copies: %+v", nodes, cluster)
	}
	for i, s := range servers {
		if s.Name() == cluster.Leader {
			servers[i].Shutdown()
		}
	}
	began := time.Now()
	consume(t, q, "slack", 4, got.add)
	eventually(t, "what waited comes although the leader is gone", func() bool { return got.pairs() == total+1 })
	t.Logf("the leader went: %v until all nudges had come", time.Since(began))
	carries(t, q, got, "slack", "after")
	eventually(t, "health", func() bool { return q.Health(t.Context()) == nil })

	for _, s := range servers {
		if s.Running() {
			s.Shutdown() // the second of three: there is no majority any more
			break
		}
	}
	eventually(t, "health tells that the majority is gone", func() bool { return q.Health(t.Context()) != nil })
	began = time.Now()
	if err := q.Enqueue(t.Context(), Job{"slack", "alone"}); err == nil || time.Since(began) > patience+5*time.Second {
		t.Errorf("without a majority: %v after %v", err, time.Since(began))
	}
}

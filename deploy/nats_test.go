package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"

	"github.com/crieur/crieur/queue"
)

// certificates writes an authority and a certificate for this machine that it signed.
func certificates(t *testing.T, dir string) {
	t.Helper()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, leafKey := key(), key()
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "crieur"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, authority, &leafKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	write("ca.pem", "CERTIFICATE", ca)
	write("server.pem", "CERTIFICATE", leaf)
	write("server-key.pem", "EC PRIVATE KEY", der)
}

// start runs a NATS server on loopback from a configuration in dir. change may take away what a single server cannot have.
func start(t *testing.T, dir, config string, change func(*server.Options)) *server.Server {
	t.Helper()
	path := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(o)
	o.Host, o.Port, o.HTTPPort, o.NoSigs, o.NoLog, o.StoreDir = "127.0.0.1", -1, 0, true, true, filepath.Join(dir, "store")
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

// carries proves that Crieur's queue works on a server with the rights that its configuration gives.
func carries(t *testing.T, c queue.Config) {
	t.Helper()
	q, err := queue.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close(t.Context()) }()
	if err := q.Enqueue(t.Context(), queue.Job{Account: "slack", Announcement: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := q.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClusterConfiguration(t *testing.T) {
	dir := t.TempDir()
	certificates(t, dir)
	t.Setenv("NATS_NAME", "n1")
	config := strings.NewReplacer("/etc/nats/", dir+"/").Replace(read(t, "nats.conf"))
	hash, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	passwords := fmt.Sprintf("CRIEUR_PASSWORD: %q\nADMIN_PASSWORD: %q\n", hash, hash)
	if err := os.WriteFile(filepath.Join(dir, "passwords.conf"), []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, config, func(o *server.Options) {
		if o.ServerName != "n1" || o.Cluster.Name != "crieur" || len(o.Routes) != 3 || o.SystemAccount != "SYS" || o.HTTPHost != "127.0.0.1" ||
			o.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert || o.Cluster.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert {
			t.Errorf("the configuration says %+v", o)
		}
		o.Cluster, o.Routes = server.ClusterOpts{}, nil // one server has nobody to agree with
	})
	carries(t, queue.Config{
		URL: strings.Replace(s.ClientURL(), "://", "://crieur:password@", 1), CA: filepath.Join(dir, "ca.pem"),
		Certificate: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server-key.pem"),
	})
	stranger, err := queue.Open(t.Context(), queue.Config{URL: strings.Replace(s.ClientURL(), "://", "://crieur:password@", 1), CA: filepath.Join(dir, "ca.pem")})
	if err != nil {
		return // refused for good
	}
	defer func() { _ = stranger.Close(t.Context()) }()
	if stranger.Health(t.Context()) == nil {
		t.Error("the server lets in who shows no certificate")
	}
}

func TestComposeConfiguration(t *testing.T) {
	c := readCompose(t, "compose.cluster.yaml")
	if command := strings.Join(c.Services["nats"].Command, " "); !strings.Contains(command, `NATS_PASSWORD="'$$(cat`) {
		t.Errorf("the password is not quoted for NATS, which would take 12e4 for a number: %s", command)
	}
	t.Setenv("NATS_PASSWORD", "'12e4567890abcdef'")
	s := start(t, t.TempDir(), strings.ReplaceAll(c.Configs["nats"].Content, "$$", "$"), func(*server.Options) {})
	carries(t, queue.Config{URL: strings.Replace(s.ClientURL(), "://", "://crieur:12e4567890abcdef@", 1)})
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// asked runs 'levada runs' with some flags and an environment.
func asked(t *testing.T, env map[string]string, flags ...string) error {
	t.Helper()
	var out, errs bytes.Buffer
	all := append([]string{"runs", "--state-dir", t.TempDir()}, flags...)
	return run(t.Context(), all, func(name string) string { return env[name] }, &out, &errs)
}

// Certificates on both sides: by flags, and by the variables of the nats command line.
func TestConnectWithTLS(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t)
	serverCert, _, _ := ca.issue(t, dir, "server")
	_, cert, key := ca.issue(t, dir, "client")
	s := natstest.New(t, natstest.Listen(), natstest.Configure(func(o *natsserver.Options) {
		o.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{serverCert}, ClientCAs: ca.pool(), ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}
		o.TLSVerify = true
	}))
	require.NoError(t, asked(t, nil, "--nats", s.URL(), "--tlsca", ca.write(t, dir), "--tlscert", cert, "--tlskey", key))
	require.NoError(t, asked(t, map[string]string{"NATS_URL": s.URL(), "NATS_CA": ca.write(t, dir), "NATS_CERT": cert, "NATS_KEY": key}))
	for _, flags := range [][]string{{"--nats", s.URL()}, {"--nats", s.URL(), "--tlsca", ca.write(t, dir)}} {
		err := asked(t, nil, flags...)
		require.Error(t, err)
		require.Equal(t, exitEnvironment, exitCode(err), err)
		require.ErrorContains(t, err, "tls")
	}
}

// In a container there may be no home, and no state of runs: whose server is named needs none.
func TestServerNeedsNoStateDirectory(t *testing.T) {
	s := natstest.New(t, natstest.Listen())
	var out, errs bytes.Buffer
	ask := func(env map[string]string, args ...string) error {
		out.Reset()
		return run(t.Context(), args, func(name string) string { return env[name] }, &out, &errs)
	}
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	require.NoError(t, os.WriteFile(spec, fmt.Appendf(nil, "apiVersion: levada/v1\nname: homeless\nsource: { range: { rows: 10 } }\nsink: { parquet: { uri: %q } }\n",
		filepath.Join(t.TempDir(), "out")), 0o600))
	server := map[string]string{"NATS_URL": s.URL()}
	require.NoError(t, ask(server, "submit", spec))
	id := strings.TrimSpace(out.String())
	for _, args := range [][]string{{"runs"}, {"status", id}, {"stats", id}, {"top", "--once"}} {
		require.NoError(t, ask(server, args...), args)
		require.Contains(t, out.String(), id, args)
		require.NoError(t, ask(nil, append(args, "--nats", s.URL())...), args)
		require.Contains(t, out.String(), id, args)
		err := ask(nil, args...)
		require.Equal(t, exitEnvironment, exitCode(err), args)
		require.ErrorContains(t, err, "--state-dir", args)
	}
}

// Servers that elect a leader answer in some seconds: who asks is told once, and gets the
// answer. What waiting does not mend is an error at once, and an election without an end is
// one in the end.
func TestElectionsAreBorne(t *testing.T) {
	elects := &jetstream.APIError{Code: 503, ErrorCode: 10008, Description: "JetStream system temporarily unavailable"}
	for name, c := range map[string]struct {
		answers []error // the last one again and again
		after   time.Duration
		told    bool
	}{
		"Answered":      {[]error{nil}, 0, false},
		"Elects":        {[]error{elects, elects, fmt.Errorf("lookup: %w", nats.ErrTimeout), context.DeadlineExceeded, nil}, time.Second, true},
		"ElectsForEver": {[]error{elects}, electionFor, true},
		"NoServer":      {[]error{nats.ErrNoServers}, 0, false},
		"NoJetStream":   {[]error{fmt.Errorf("%w: %w", flow.ErrNoJetStream, &jetstream.APIError{Code: 503, ErrorCode: 10039})}, 0, false},
		"NotFound":      {[]error{jetstream.ErrKeyNotFound}, 0, false},
		"Refused":       {[]error{syscall.ECONNREFUSED}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs bytes.Buffer
				a := &app{screen: progress.NewScreen(&errs, progress.Options{})}
				defer a.screen.Close()
				began, asked := time.Now(), 0
				err := a.patiently(t.Context(), func() error {
					asked++
					return c.answers[min(asked, len(c.answers))-1]
				})
				require.Equal(t, c.answers[len(c.answers)-1], err)
				require.InDelta(t, c.after.Seconds(), time.Since(began).Seconds(), 0.3)
				require.Equal(t, c.told, strings.Count(errs.String(), "elect a leader") == 1, errs.String())
			})
		})
	}
}

// A credentials file, by flag and by a context of the nats command line; a server of
// accounts lets nobody in without.
func TestConnectWithCredentials(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config) // where the nats command line keeps its contexts
	accounts := newAccounts(t)
	s := natstest.New(t, natstest.Listen(), natstest.Configure(accounts.configure))
	creds := filepath.Join(config, "levada.creds")
	require.NoError(t, os.WriteFile(creds, accounts.user(t), 0o600))
	require.NoError(t, asked(t, nil, "--nats", s.URL(), "--creds", creds))
	require.NoError(t, asked(t, map[string]string{"NATS_URL": s.URL(), "NATS_CREDS": creds}))

	contexts := filepath.Join(config, "nats", "context")
	require.NoError(t, os.MkdirAll(contexts, 0o700))
	text, err := json.Marshal(map[string]string{"url": s.URL(), "creds": creds})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(contexts, "prod.json"), text, 0o600))
	require.NoError(t, asked(t, nil, "--context", "prod"))
	require.NoError(t, asked(t, map[string]string{"NATS_CONTEXT": "prod"}))

	err = asked(t, nil, "--context", "test")
	require.ErrorContains(t, err, "nats context ls")
	require.Equal(t, exitUsage, exitCode(err))
	err = asked(t, nil, "--nats", s.URL())
	require.ErrorContains(t, err, "Authorization")
	require.Equal(t, exitEnvironment, exitCode(err))
}

// A server as it comes takes messages of 1 MiB: blocks are smaller, and the rows the same.
func TestRunOnAServerWithTheDefaultMaxPayload(t *testing.T) {
	s := stack.New(t, natstest.Listen(), natstest.MaxPayload(1<<20))
	s.Start(t, stack.All()...)
	dir := t.TempDir()
	spec := filepath.Join(dir, "spec.yaml")
	text := "apiVersion: levada/v1\nname: small\nsource: { parquet: { uri: \"" + stack.Customers(t, 60_000, 1, 60_000) + "\" } }\n" +
		"stages: [{ name: same, transform: [{ filter: \"id >= 0\" }] }]\nsink: { parquet: { uri: " + filepath.Join(dir, "out") + " } }\n"
	require.NoError(t, os.WriteFile(spec, []byte(text), 0o600))
	var out, errs bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"run", spec, "--nats", s.Server.URL(), "--no-progress"}, func(string) string { return "" }, &out, &errs), "%s", &errs)
	require.Contains(t, out.String(), "60,000 rows")
	require.Len(t, stack.Rows(t, filepath.Join(dir, "out")), 60_000)
}

// issuer is a certificate authority of a test.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "levada test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &issuer{cert, key}
}

func (i *issuer) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.cert)
	return pool
}

// write writes the authority's certificate and returns its path.
func (i *issuer) write(t *testing.T, dir string) string {
	t.Helper()
	return writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", i.cert.Raw)
}

// issue makes a certificate for 127.0.0.1, in memory and in files.
func (i *issuer) issue(t *testing.T, dir, name string) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, key.Public(), i.key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	certFile = writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	keyFile = writePEM(t, filepath.Join(dir, name+"-key.pem"), "EC PRIVATE KEY", private)
	pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	return pair, certFile, keyFile
}

func writePEM(t *testing.T, path, kind string, der []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// accounts is an operator with two accounts: that of the server itself, and ours.
type accounts struct {
	operator    *jwt.OperatorClaims
	resolver    *natsserver.MemAccResolver
	system      string
	ours, admin nkeys.KeyPair
}

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{resolver: &natsserver.MemAccResolver{}}
	var err error
	a.admin, err = nkeys.CreateOperator()
	require.NoError(t, err)
	a.operator = jwt.NewOperatorClaims(public(t, a.admin))
	system, err := nkeys.CreateAccount()
	require.NoError(t, err)
	a.system = public(t, system)
	a.ours, err = nkeys.CreateAccount()
	require.NoError(t, err)
	for _, id := range []string{a.system, public(t, a.ours)} {
		claims := jwt.NewAccountClaims(id)
		if id != a.system {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
		}
		text, err := claims.Encode(a.admin)
		require.NoError(t, err)
		require.NoError(t, a.resolver.Store(id, text))
	}
	return a
}

func (a *accounts) configure(o *natsserver.Options) {
	o.TrustedOperators = []*jwt.OperatorClaims{a.operator}
	o.AccountResolver = a.resolver
	o.SystemAccount = a.system
}

// user makes a user of our account and returns its credentials file.
func (a *accounts) user(t *testing.T) []byte {
	t.Helper()
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	text, err := jwt.NewUserClaims(public(t, user)).Encode(a.ours)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	creds, err := jwt.FormatUserConfig(text, seed)
	require.NoError(t, err)
	return creds
}

func public(t *testing.T, k nkeys.KeyPair) string {
	t.Helper()
	id, err := k.PublicKey()
	require.NoError(t, err)
	return id
}

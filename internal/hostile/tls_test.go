package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certified makes a server's certificate by an authority, and a file that makes
// the program trust the authority.
func certified(t *testing.T, from, to time.Time, host string) (*tls.Config, string) {
	t.Helper()
	sign := func(is, by *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		if by == nil {
			by, key = is, own
		}
		der, err := x509.CreateCertificate(rand.Reader, is, by, &own.PublicKey, key)
		require.NoError(t, err)
		return der, own
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Hostile"}, NotBefore: from.Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, caKey := sign(ca, nil, nil)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{host}
	}
	der, key := sign(leaf, ca, caKey)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func TestTLS(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good, trusted := certified(t, now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1")
	expired, expiredRoots := certified(t, now.Add(-2*time.Hour), now.Add(-time.Hour), "127.0.0.1")
	foreign, foreignRoots := certified(t, now.Add(-time.Hour), now.Add(time.Hour), "api.example.org")
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	trust := func(roots string) []string { return []string{"SSL_CERT_FILE=" + roots} }
	to := []target{saasoptics, exactOnline}
	again := func(w *wire) { w.again() }
	run(t, []hostile{
		{name: "trusted", to: to, tls: good, env: trust(trusted), exit: complete, sample: true, does: again},
		{name: "self-signed", to: to, tls: good, exit: usageBad, says: "could not be verified", sample: true, does: again},
		{name: "expired", to: to, tls: expired, env: trust(expiredRoots), exit: usageBad, says: "expired", does: again},
		{name: "of another host", to: to, tls: foreign, env: trust(foreignRoots), exit: usageBad, does: again},
		{name: "too old", to: to, tls: old, env: trust(trusted), exit: failure, does: again},
		{name: "plain text on the port", to: to, secure: true, exit: usageBad, does: again},
		{name: "redirect from https to http", to: to, tls: good, env: trust(trusted), exit: usageBad, except: map[string]int{exactOnline.name: broken}, does: func(w *wire) {
			w.answer("302 Found", "{}", "Location: http://"+w.site.foreign.host)
		}},
		{name: "link from https to http", to: to, tls: good, env: trust(trusted), exit: broken, does: func(w *wire) {
			w.next("http"+w.site.origin[len("https"):]+w.r.URL.Path+"?page=2", true)
		}},
		{name: "bomb", to: to, tls: good, env: trust(trusted), exit: broken, says: "over the limit", does: func(w *wire) {
			w.ok("Content-Encoding: gzip")
			w.say(gzipHead)
			zeros(w, 1<<10)
		}},
	})
}

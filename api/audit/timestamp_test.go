package audit_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// authority is a time stamp authority of the test's own, under a root of its own.
type authority struct {
	t          *testing.T
	root, leaf *x509.Certificate
	key        *ecdsa.PrivateKey
	at         time.Time
	asked      atomic.Int32
	spoil      func(*timestamp.Timestamp)
	*httptest.Server
}

func newAuthority(t *testing.T, usage x509.ExtKeyUsage) *authority {
	a := &authority{t: t, at: simStart.Add(2 * time.Hour)}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	make := func(n int64, name string, ca bool, parent *x509.Certificate, public, signer any) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
			BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature}
		if ca {
			c.KeyUsage |= x509.KeyUsageCertSign
		} else {
			c.ExtKeyUsage = []x509.ExtKeyUsage{usage}
		}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
		if err != nil {
			t.Fatal(err)
		}
		out, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	a.root = make(1, "root", true, nil, &rootKey.PublicKey, rootKey)
	a.leaf = make(2, "authority", false, a.root, &a.key.PublicKey, rootKey)
	a.Server = httptest.NewServer(http.HandlerFunc(a.answer))
	t.Cleanup(a.Server.Close)
	return a
}

func (a *authority) answer(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	req, err := timestamp.ParseRequest(body)
	if err != nil {
		a.t.Error(err)
		return
	}
	ts := &timestamp.Timestamp{HashAlgorithm: req.HashAlgorithm, HashedMessage: req.HashedMessage, Time: a.at, Nonce: req.Nonce,
		Policy: asn1.ObjectIdentifier{1, 2, 3, 4}, AddTSACertificate: req.Certificates}
	if a.spoil != nil {
		a.spoil(ts)
	}
	out, err := ts.CreateResponseWithOpts(a.leaf, a.key, crypto.SHA256)
	if err != nil {
		a.t.Error(err)
		return
	}
	w.Write(out)
}

func poolOf(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func TestTimestamps(t *testing.T) {
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	c := &proof.Checkpoint{ChainID: "waybill-1", Size: 7, Root: schemas.Hash{1, 2, 3}}
	token, err := audit.RequestTimestamp(context.Background(), http.DefaultClient, a.URL, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, pool := range []*x509.CertPool{poolOf(a.root), poolOf(a.leaf)} {
		at, err := audit.VerifyTimestamp(token, c, pool)
		if err != nil || !at.Equal(a.at) {
			t.Errorf("%v, %v", at, err)
		}
	}
	other := *c
	other.Size++
	if _, err := audit.VerifyTimestamp(token, &other, poolOf(a.root)); err == nil {
		t.Error("it is taken for another checkpoint's")
	}
	stranger := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	if _, err := audit.VerifyTimestamp(token, c, poolOf(stranger.root)); err == nil {
		t.Error("it holds under another root")
	}
	for i := range token { // damaged, it is refused or says the same
		for _, bit := range []byte{1, 0x10, 0x80} {
			bad := append([]byte{}, token...)
			bad[i] ^= bit
			if at, err := audit.VerifyTimestamp(bad, c, poolOf(a.leaf)); err == nil && !at.Equal(a.at) {
				t.Errorf("with byte %d damaged it says %s", i, at)
			}
		}
		if _, err := audit.VerifyTimestamp(token[:i], c, poolOf(a.leaf)); err == nil {
			t.Errorf("its first %d bytes hold", i)
		}
	}
	web := newAuthority(t, x509.ExtKeyUsageServerAuth)
	if token, err = audit.RequestTimestamp(context.Background(), http.DefaultClient, web.URL, c); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.VerifyTimestamp(token, c, poolOf(web.root)); err == nil {
		t.Error("a certificate for something else is taken as an authority's")
	}
	for name, spoil := range map[string]func(*timestamp.Timestamp){
		"another nonce":   func(ts *timestamp.Timestamp) { ts.Nonce = big.NewInt(1) },
		"another imprint": func(ts *timestamp.Timestamp) { ts.HashedMessage = make([]byte, 32) },
	} {
		a.spoil = spoil
		if _, err := audit.RequestTimestamp(context.Background(), http.DefaultClient, a.URL, c); err == nil {
			t.Errorf("%s: taken as an answer", name)
		}
	}
	a.spoil = func(ts *timestamp.Timestamp) { ts.Time = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) } // before the certificate
	if token, err = audit.RequestTimestamp(context.Background(), http.DefaultClient, a.URL, c); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.VerifyTimestamp(token, c, poolOf(a.root)); err == nil {
		t.Error("a certificate that was none yet is taken")
	}
}

func TestWitnessGetsTimestamps(t *testing.T) {
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	h := newHistory(2, four)
	w := newWatch(t, h.trust(1), h)
	w.cfg.TSA = "http://127.0.0.1:1/nobody"
	w.reopen()
	w.signs(h, 2) // without an authority it stands all the same
	if token, err := w.Timestamp(); token != nil || err != nil {
		t.Fatalf("%x, %v", token, err)
	}
	w.cfg.TSA = a.URL
	w.reopen()
	w.signs(h, 2)
	w.signs(h, 2)
	if n := a.asked.Load(); n != 1 {
		t.Errorf("the authority was asked %d times for one checkpoint", n)
	}
	token, err := w.Timestamp()
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.OpenCheckpoint(w.Checkpoint(), w.Key())
	if err != nil {
		t.Fatal(err)
	}
	if at, err := audit.VerifyTimestamp(token, c.Checkpoint, poolOf(a.root)); err != nil || !at.Equal(a.at) {
		t.Errorf("%v, %v", at, err)
	}
}

func TestParseAuthorities(t *testing.T) {
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
	if pool, err := audit.ParseAuthorities(text); err != nil || !pool.Equal(poolOf(a.root)) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := audit.ParseAuthorities([]byte(bad)); err == nil {
			t.Errorf("%q has certificates", bad)
		}
	}
}

package audit

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A time stamp token (RFC 3161) over a checkpoint's text is a time stamp
// authority's word that the checkpoint existed by then: a clock that is neither
// the validators' nor the witness's.

// MaxTimestamp bounds a time stamp token.
const MaxTimestamp = 64 << 10

const timestampWait = 15 * time.Second

// RequestTimestamp asks an authority for a token over a checkpoint's text.
func RequestTimestamp(ctx context.Context, client *http.Client, url string, c *proof.Checkpoint) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timestampWait)
	defer cancel()
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	query, err := timestamp.CreateRequest(bytes.NewReader(c.Body()), &timestamp.RequestOptions{Hash: crypto.SHA256, Certificates: true, Nonce: nonce})
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(query))
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxTimestamp+1))
	if err != nil || res.StatusCode != http.StatusOK || len(body) > MaxTimestamp {
		return nil, fmt.Errorf("asking for a time stamp: the authority answered %s with %d bytes", res.Status, len(body))
	}
	return tokenOf(body, nonce, c)
}

// tokenOf takes the token out of an authority's response, if it is an answer to
// what was asked. By whose certificate it is signed, its reader must know.
func tokenOf(response []byte, nonce *big.Int, c *proof.Checkpoint) (token []byte, err error) {
	defer recoverASN1(&err)
	ts, err := timestamp.ParseResponse(response)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's response: %w", err)
	}
	imprint := sha256.Sum256(c.Body())
	switch {
	case ts.Nonce == nil || ts.Nonce.Cmp(nonce) != 0:
		return nil, errors.New("the time stamp is none that was asked for now")
	case ts.HashAlgorithm != crypto.SHA256 || !bytes.Equal(ts.HashedMessage, imprint[:]):
		return nil, errors.New("the time stamp is of something else")
	}
	return ts.RawToken, nil
}

// VerifyTimestamp checks a token over a checkpoint's text against certificates of
// time stamp authorities, or of those that certified them, and answers its time.
func VerifyTimestamp(token []byte, c *proof.Checkpoint, authorities *x509.CertPool) (at time.Time, err error) {
	defer recoverASN1(&err)
	if len(token) > MaxTimestamp {
		return at, fmt.Errorf("time stamp of %d bytes, %d are read", len(token), MaxTimestamp)
	}
	ts, err := timestamp.Parse(token)
	if err != nil {
		return at, fmt.Errorf("reading a time stamp: %w", err)
	}
	imprint := sha256.Sum256(c.Body())
	if ts.HashAlgorithm != crypto.SHA256 || !bytes.Equal(ts.HashedMessage, imprint[:]) {
		return at, errors.New("time stamp: its imprint is not that of the checkpoint")
	}
	p7, err := pkcs7.Parse(token)
	if err != nil {
		return at, fmt.Errorf("reading a time stamp: %w", err)
	}
	signer := p7.GetOnlySigner()
	if signer == nil {
		return at, errors.New("time stamp: it has no certificate of the one who signed it, or several signed")
	}
	// Without signed attributes the signature would cover the content alone, and
	// nothing would tell that it is a time stamp (RFC 5652, 11.1).
	var kind asn1.ObjectIdentifier
	if err := p7.UnmarshalSignedAttribute(pkcs7.OIDAttributeContentType, &kind); err != nil || !kind.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}) {
		return at, errors.New("time stamp: what is signed is no time stamp")
	}
	intermediates := x509.NewCertPool()
	for _, cert := range p7.Certificates {
		intermediates.AddCert(cert)
	}
	opts := x509.VerifyOptions{Roots: authorities, Intermediates: intermediates, CurrentTime: ts.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}}
	if err := p7.VerifyWithOpts(opts); err != nil {
		return at, fmt.Errorf("time stamp: %w", err)
	}
	return ts.Time.UTC(), nil
}

// recoverASN1 turns a panic of the ASN.1 reader into an error: tokens come from
// outside, and its library was written for friendlier ones.
func recoverASN1(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("time stamp: it cannot be read (%v)", r)
	}
}

// ParseAuthorities reads certificates in PEM.
func ParseAuthorities(text []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading a certificate: %w", err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("no certificate in PEM was found")
	}
	return pool, nil
}

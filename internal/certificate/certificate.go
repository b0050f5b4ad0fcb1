// Package certificate makes certificates for services that live as long as their test.
package certificate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// A Certificate is its own authority, and comes with its key, both as PEM. It is good for servers
// and for clients: who must show the certificate that he must expect is known to have its key.
type Certificate struct {
	PEM, Key string
	hosts    []string
	pair     tls.Certificate
	pool     *x509.CertPool
}

// Make makes a certificate for hosts, names or IP addresses, good for a day.
func Make(hosts ...string) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c := &Certificate{
		PEM:   string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		hosts: hosts,
		pair:  tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pool:  x509.NewCertPool(),
	}
	c.pool.AppendCertsFromPEM([]byte(c.PEM))
	return c, nil
}

// Client returns the configuration of a client that expects the certificate, and shows it.
func (c *Certificate) Client() *tls.Config {
	return &tls.Config{RootCAs: c.pool, ServerName: c.hosts[0], Certificates: []tls.Certificate{c.pair}}
}

// Answers returns nil once a server with the certificate takes connections at an address.
func (c *Certificate) Answers(ctx context.Context, addr string) error {
	d := tls.Dialer{Config: c.Client()}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

package backuptest

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
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
)

const (
	objects       = "objects" // the name of the store on its network
	objectsPort   = 7070
	objectsBucket = "backups"
	objectsRegion = "us-east-1"
)

// StartS3Repository makes a repository of pgBackRest in an object store with the protocol of S3, a
// container on the network: Versity's gateway. It is reached over TLS, with a certificate that is
// made for it and that pgBackRest verifies.
func StartS3Repository(t testing.TB, network string) *Repository {
	t.Helper()
	pair, err := certify(objects)
	if err != nil {
		t.Fatalf("certificate of the object store: %v", err)
	}
	access, secret := rand.Text(), rand.Text()
	store := containertest.Start(t, containertest.Config{
		Name:    objects,
		Image:   containertest.Build(t, objectsImage()),
		Network: network,
		Env: map[string]string{
			"ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret, "CERTIFICATE": pair.certificate, "KEY": pair.key,
			"PORT": fmt.Sprint(objectsPort), "REGION": objectsRegion, "BUCKET": objectsBucket,
		},
		// The gateway keeps what it knows of an object in extended attributes, which not every
		// image's file system has.
		Volumes: map[string]string{"/objects": containertest.NewVolume(t)},
		Port:    objectsPort,
		Ready:   pair.answers,
	})
	return &Repository{store: store, tool: pgBackRest{
		under:     "/objects/" + objectsBucket,
		authority: pair.certificate,
		options: map[string]string{
			"PGBACKREST_REPO1_TYPE":            "s3",
			"PGBACKREST_REPO1_S3_ENDPOINT":     objects,
			"PGBACKREST_REPO1_STORAGE_PORT":    fmt.Sprint(objectsPort),
			"PGBACKREST_REPO1_STORAGE_CA_FILE": authorityFile,
			"PGBACKREST_REPO1_S3_BUCKET":       objectsBucket,
			"PGBACKREST_REPO1_S3_REGION":       objectsRegion,
			"PGBACKREST_REPO1_S3_URI_STYLE":    "path",
			"PGBACKREST_REPO1_S3_KEY":          access,
			"PGBACKREST_REPO1_S3_KEY_SECRET":   secret,
		},
	}}
}

// A pair is a certificate that is its own authority, and its key, both as PEM.
type pair struct {
	certificate, key string
	pool             *x509.CertPool
}

// certify makes a certificate for a host, good for a day.
func certify(host string) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	p := &pair{
		certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		pool:        x509.NewCertPool(),
	}
	p.pool.AppendCertsFromPEM([]byte(p.certificate))
	return p, nil
}

// answers is ready once the service takes connections with the certificate.
func (p *pair) answers(ctx context.Context, s *containertest.Service) error {
	addr, err := s.HostAddr(ctx)
	if err != nil {
		return err
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: p.pool, ServerName: s.Name()}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

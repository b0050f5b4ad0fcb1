package backuptest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/certificate"
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
	shown, err := certificate.Make(objects)
	if err != nil {
		t.Fatalf("certificate of the object store: %v", err)
	}
	access, secret := rand.Text(), rand.Text()
	store := containertest.Start(t, containertest.Config{
		Name:    objects,
		Image:   containertest.Build(t, objectsImage()),
		Network: network,
		Env: map[string]string{
			"ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret, "CERTIFICATE": shown.PEM, "KEY": shown.Key,
			"PORT": fmt.Sprint(objectsPort), "REGION": objectsRegion, "BUCKET": objectsBucket,
		},
		// The gateway keeps what it knows of an object in extended attributes, which not every
		// image's file system has.
		Volumes: map[string]string{"/objects": containertest.NewVolume(t)},
		Port:    objectsPort,
		Ready: func(ctx context.Context, s *containertest.Service) error {
			addr, err := s.HostAddr(ctx)
			if err != nil {
				return err
			}
			return shown.Answers(ctx, addr)
		},
	})
	return &Repository{store: store, tool: pgBackRest{
		under:     "/objects/" + objectsBucket,
		authority: shown.PEM,
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

package pgtest_test

import (
	"testing"
	"testing/fstest"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/stretchr/testify/require"
)

// A pair runs an image of the user's own: with an extension that only it has, TLS, a role and a
// schema.
func TestOwnImage(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	own := containertest.Image{
		Name: "drtest/test-own-postgres",
		Base: pgtest.ServerImage(t, containertest.Image{}).Base, // or any other that has PostgreSQL
		Files: fstest.MapFS{
			"Dockerfile":    file("ARG BASE=debian:trixie-slim\nFROM ${BASE}\nCOPY greet.control greet--1.sql /usr/share/postgresql/17/extension/\n"),
			"greet.control": file("default_version = '1'\n"),
			"greet--1.sql":  file("CREATE FUNCTION greet() RETURNS text LANGUAGE sql RETURN 'hello';\n"),
		},
	}
	pg := pgtest.StartPair(t, pgtest.PairConfig{
		Replication: pgtest.Sync,
		Config: pgtest.Config{
			Image:   own,
			InitSQL: "CREATE EXTENSION greet; CREATE ROLE clerk LOGIN PASSWORD 'of the clerk'; CREATE TABLE letters (letter text); GRANT INSERT ON letters TO clerk",
			Settings: map[string]string{
				"ssl": "on", "ssl_cert_file": "/etc/ssl/certs/ssl-cert-snakeoil.pem", "ssl_key_file": "/etc/ssl/private/ssl-cert-snakeoil.key",
			},
		},
	})
	const letter = "INSERT INTO letters VALUES (greet() || (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()))"
	_, err := pg.Primary.Service().Exec(t.Context(), "psql", "host=127.0.0.1 user=clerk password='of the clerk' dbname=app sslmode=require", "-c", letter)
	require.NoError(t, err)
	require.NoError(t, pg.Replica.Promote().Do(t.Context()))
	require.Equal(t, "hellotrue", read[string](t, pg.Replica, "SELECT letter FROM letters"))
}

// An image that lacks something is refused when it is built, with what is missing.
func TestImageWithoutServer(t *testing.T) {
	out := failing(t, func() {
		pgtest.StartPrimary(t, pgtest.Config{Image: containertest.Image{
			Name:  "drtest/test-no-postgres",
			Files: fstest.MapFS{"Dockerfile": file("ARG BASE=debian:trixie-slim\nFROM ${BASE}\n")},
		}})
	})
	require.Contains(t, out, "drtest: the image cannot run a server: it has no user postgres")
}

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

package backuptest

import (
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/certificate"
	"github.com/stretchr/testify/require"
)

// The store's certificate is verified: with another authority nothing is read from it.
func TestS3Repository(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	network := containertest.NewNetwork(t)
	r := StartS3Repository(t, network)
	primary := pgtest.StartPrimary(t, pgtest.Config{Network: network, Archive: r.Archive()})
	b, err := r.Backup(t.Context(), primary, Full)
	require.NoError(t, err)
	t.Log(b)
	file, err := r.store.Exec(t.Context(), "find", r.tool.folder(b), "-name", "backup.manifest")
	require.NoError(t, err)
	require.NotEmpty(t, file, "the backup is in the store")

	other, err := certificate.Make(objects)
	require.NoError(t, err)
	const info = `printf '%s' "$0" >"$1" && pgbackrest --io-timeout=1 --repo1-storage-ca-file="$1" repo-ls`
	_, err = primary.Service().Exec(t.Context(), "sh", "-c", info, other.PEM, "/var/lib/postgresql/other.pem")
	require.ErrorContains(t, err, "unable to verify certificate")
}

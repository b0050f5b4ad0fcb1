package pgtest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// An indiscreet service has its connection string in every error.
type indiscreet struct{ err error }

func (i indiscreet) Do(context.Context, string) error            { return i.err }
func (i indiscreet) Survivors(context.Context) ([]string, error) { return nil, i.err }
func (i indiscreet) Counters() []drtest.Counter {
	return []drtest.Counter{{Name: "calls", Read: func(context.Context) (c drtest.Count, err error) { return c, i.err }}}
}

// The password is in no output, journal or log that is kept, whatever a service says.
func TestPasswordIsHidden(t *testing.T) {
	dir := t.TempDir()
	noted := filepath.Join(dir, "noted")
	out := failingIn(t, dir, func() {
		primary := pgtest.StartPrimary(t, pgtest.Config{Settings: map[string]string{"log_statement": "all"}})
		config, err := pgx.ParseConfig(primary.DSN())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(os.TempDir(), "noted"), []byte(config.Password), 0o600))
		require.NoError(t, primary.Exec(t.Context(), "/* "+primary.DSN()+" */ SELECT 1"))
		_, err = primary.Service().Exec(t.Context(), "sh", "-c", "echo "+primary.DSN()+"; exit 1")
		t.Log(err)
		said := errors.New("cannot connect to " + primary.DSN())
		drtest.Run(t, drtest.Scenario{
			ID: "INDISCREET", Workload: indiscreet{said}, Fault: drtest.NoFault(),
			Health:     func(context.Context) error { return said },
			Load:       drtest.Load{Every: 20 * time.Millisecond, Timeout: time.Second, Steady: 100 * time.Millisecond},
			Objectives: []drtest.Objective{drtest.RPO(0)}, Deadline: 3 * time.Second,
		})
	})
	password, err := os.ReadFile(noted)
	require.NoError(t, err, out)
	require.Len(t, string(password), 26)
	require.NotContains(t, out, string(password))
	const hidden = "postgres://postgres:[password]@primary:5432/app"
	require.Contains(t, out, "cannot connect to "+hidden)
	require.Contains(t, out, "exit code 1: "+hidden)
	kept := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == noted {
			return err
		}
		text, err := os.ReadFile(path)
		require.NotContains(t, string(text), string(password), path)
		kept[filepath.Base(path)] = string(text)
		return err
	}))
	require.Contains(t, kept["INDISCREET.ndjson"], hidden)
	require.Contains(t, kept["primary.log"], hidden)
}

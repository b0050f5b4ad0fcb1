package pgtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecovery(t *testing.T) {
	const (
		first   = "[7] LOG:  starting PostgreSQL 17.12\n[7] LOG:  database system is ready to accept connections\n"
		again   = "[7] LOG:  starting PostgreSQL 17.12\n"
		crashed = "[9] LOG:  database system was not properly shut down; automatic recovery in progress\n"
		ready   = "[7] LOG:  database system is ready to accept connections\n"
	)
	for _, c := range []struct{ reason, log, line, err string }{
		{reason: "a server that was never started again", log: first},
		{reason: "a server that is still at it", log: first + again},
		{
			reason: "a server that recovered", log: first + again + crashed + ready,
			line: "database system was not properly shut down; automatic recovery in progress",
		},
		{
			reason: "a crash before the last start proves nothing", log: first + again + crashed + ready + again + ready,
			err: "the server was started again and found no crash to recover from",
		},
	} {
		line, err := recovery(c.log)
		got := [2]string{line, ""}
		if err != nil {
			got[1] = err.Error()
		}
		if diff := cmp.Diff([2]string{c.line, c.err}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestConf(t *testing.T) {
	got := Conf(map[string]string{"fsync": "on", "archive_command": `cp "%p" 'C:\wal'`})
	if diff := cmp.Diff(`archive_command = 'cp "%p" ''C:\\wal'''`+"\nfsync = 'on'\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

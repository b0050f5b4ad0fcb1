package pgtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStandingOfCommits(t *testing.T) {
	good := standing{"replica", "on", "on", "on", "replica streaming sync"}
	require.NoError(t, good.judge())
	for _, c := range []struct {
		s    standing
		want string
	}{
		{standing{"", "on", "on", "on", ""}, "just before the fault: synchronous_standby_names is empty, no standby that streams is synchronous"},
		{standing{"replica", "off", "off", "on", "replica streaming sync"}, "just before the fault: synchronous_commit is off, fsync is off"},
		{standing{"replica", "remote_write", "on", "off", "replica streaming sync"}, "just before the fault: synchronous_commit is remote_write, full_page_writes is off"},
	} {
		require.EqualError(t, c.s.judge(), c.want)
	}
}

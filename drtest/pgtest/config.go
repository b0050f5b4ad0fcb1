package pgtest

import (
	"maps"
	"slices"
	"strings"

	"github.com/drtest/suite/drtest/containertest"
)

// A Config describes a server. Its zero value is PostgreSQL 17 on a network of its own, as Debian
// has it.
type Config struct {
	// Image has the PostgreSQL that the server runs, in place of Debian's PostgreSQL 17: another
	// version, extensions, certificates. The harness builds its own layer on it, and the build says
	// what is missing. It needs
	//
	//   - PostgreSQL 15 or later: the programs of the server and its clients, on PATH or in
	//     Debian's /usr/lib/postgresql;
	//   - a user postgres, a POSIX shell at /bin/sh, find, tar, grep and sed;
	//   - for [Node.CorruptPage] Perl, and PostgreSQL 17 with its extension pg_buffercache.
	//
	// Its entrypoint, its configuration files and its data are not used.
	Image containertest.Image
	// Network is the network to join, from [containertest.NewNetwork], so that the services around
	// a server can start at the same time. The server's name must be free on it. Empty: a new one.
	Network string
	// Settings are parameters of postgresql.conf, over the harness's own. A name or a value that
	// the server does not take fails the test with the server's message.
	Settings map[string]string
	// InitSQL is run on the primary once it takes writes, in the database app, as the superuser:
	// roles, extensions, a schema. A replica has it when [StartPair] returns.
	InitSQL string
	// NoRestart leaves the server dead once it has died: no supervisor starts it again.
	NoRestart bool
	// Archive is where the server sends its WAL. Nil: nowhere.
	Archive *Archive

	_ struct{} // keyed literals only, so that fields can be added
}

// An Archive is what a server needs to send its WAL to an archive: see Repository.Archive of the
// package backuptest, which returns one.
type Archive struct {
	// Image adds the archive's tool to the image of the server.
	Image func(server containertest.Image) containertest.Image
	// Settings are parameters of postgresql.conf, such as archive_command.
	Settings map[string]string
	// Env and Volumes are those of a container: see [containertest.Config].
	Env, Volumes map[string]string

	_ struct{} // keyed literals only, so that fields can be added
}

// A Replication says what a primary waits for before it acknowledges a commit.
type Replication int

const (
	// Async acknowledges once the primary has flushed the commit. A failover loses what had not yet
	// reached the replica.
	Async Replication = iota
	// Sync acknowledges once the replica has flushed the commit as well, from the primary's first
	// moment on. Without its replica the primary answers no writer. A wait that is cancelled, as
	// clients do when their patience ends, leaves a commit that others can see and that a failover
	// may lose; PostgreSQL reports such a commit as done, with a warning.
	Sync
)

// A PairConfig describes a primary and its replica. Its zero value replicates asynchronously.
type PairConfig struct {
	Config
	Replication Replication
	// Upstream is called once the primary is ready and returns what the replica reaches it by, such
	// as a link that can be cut. The replica joins the upstream's network, which may be another
	// one, as in another region. The nodes of the pair then start one after the other. Nil: the
	// replica reaches the primary by its name, and both start at the same time.
	Upstream func(primary *Node) containertest.Upstream

	_ struct{} // keyed literals only, so that fields can be added
}

// Conf returns settings as lines of postgresql.conf, in the order of their names.
func Conf(settings map[string]string) string {
	quote := strings.NewReplacer(`'`, `''`, `\`, `\\`)
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		lines.WriteString(name + " = '" + quote.Replace(settings[name]) + "'\n")
	}
	return lines.String()
}

package pgtest

import (
	"strings"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
)

// An Option changes how nodes are started.
type Option func(*options)

type options struct {
	image   string
	network string
	conf    strings.Builder // lines of postgresql.conf
	restart containertest.Restart
	through func(primary *Node) string
	far     string // the network of the replica; empty: that of all
	archive *Repository

	// Of clusters alone.
	timing   Timing
	failsafe bool
	stores   int
	regions  []string // networks; empty: all members are on one
}

// alone refuses what only a cluster can be told.
func (o *options) alone(t testing.TB) {
	t.Helper()
	if o.timing != (Timing{}) || o.failsafe || o.stores > 0 || o.regions != nil {
		t.Fatal("pgtest: Paced, Failsafe, StoreOfThree and Across are options of StartCluster")
	}
}

// gather applies opts to the defaults, and makes the image and the network that the nodes need.
func gather(t testing.TB, opts []Option) *options {
	t.Helper()
	o := &options{restart: containertest.RestartOnFailure}
	for _, opt := range opts {
		opt(o)
	}
	if o.far != "" && o.through == nil {
		t.Fatal("pgtest: ReplicaOn needs ReplicateThrough")
	}
	if o.network != "" && o.regions != nil {
		t.Fatal("pgtest: OnNetwork and Across both say where a cluster starts")
	}
	image := serverImage(t)
	if o.archive != nil {
		image = backupImage(t)
	}
	o.image = containertest.Build(t, image)
	if o.network == "" && o.regions == nil {
		o.network = containertest.NewNetwork(t)
	}
	return o
}

// Setting sets a parameter of postgresql.conf on every node that is started, over the image's own
// value. A name or a value that the server does not take fails the test with the server's message.
func Setting(name, value string) Option {
	return func(o *options) { o.conf.WriteString(setting(name, value)) }
}

// OnNetwork starts the nodes on a network that exists, from [containertest.NewNetwork], so that the
// services around them can start at the same time. The nodes' names, primary and replica, must be
// free on it.
func OnNetwork(network string) Option {
	return func(o *options) { o.network = network }
}

// NoRestart leaves a node dead once its server has died: no supervisor starts it again.
func NoRestart() Option {
	return func(o *options) { o.restart = containertest.NeverRestart }
}

// ReplicateThrough has the replica of a pair reach its primary at another address: link is called
// once the primary is ready and returns the address, inside the network, of something that leads to
// it, such as a link that can be cut. The nodes of the pair then start one after the other.
func ReplicateThrough(link func(primary *Node) (addr string)) Option {
	return func(o *options) { o.through = link }
}

// ReplicaOn starts the replica of a pair on another network than its primary, as in another region.
// It needs [ReplicateThrough], since nothing else leads there.
func ReplicaOn(network string) Option {
	return func(o *options) { o.far = network }
}

// setting returns a line of postgresql.conf.
func setting(name, value string) string {
	return name + " = '" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(value) + "'\n"
}

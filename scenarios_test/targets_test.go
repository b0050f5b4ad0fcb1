package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/stretchr/testify/require"
)

// The categories of the report.
const (
	database    = "Database Failures"
	application = "Application Crashes"
	network     = "Network Partitions"
	corruption  = "Data Corruption"
	backups     = "Backup/Restore"
	regions     = "Multi-Region"
)

// targets is what the service has promised for each disaster. Where the promise of an "RPO" is
// about work that has to be done again, and not about data, it is a target of lost work;
// acknowledged data must not be lost then.
func targets(t testing.TB, id string) []drtest.Objective {
	t.Helper()
	promised, ok := map[string][]drtest.Objective{
		"DR-DB-001":  {drtest.Detection(time.Minute), drtest.RTO(2 * time.Minute), drtest.RPO(0)},
		"DR-DB-002":  {drtest.Detection(time.Minute), drtest.RTO(2 * time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-DB-003":  {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
		"DR-DB-004":  {drtest.Detection(time.Minute), drtest.RTO(2 * time.Minute), drtest.RPO(30 * time.Second)},
		"DR-APP-001": {drtest.Detection(30 * time.Second), drtest.RTO(30 * time.Second), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-APP-002": {drtest.Detection(30 * time.Second), drtest.RTO(30 * time.Second), drtest.RPO(0)},
		"DR-APP-003": {drtest.RTO(30 * time.Second), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)}, // of its category
		"DR-APP-004": {drtest.Detection(30 * time.Second), drtest.RTO(30 * time.Second), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-APP-005": {drtest.Detection(time.Minute), drtest.RTO(time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-NET-001": {drtest.Detection(time.Minute), drtest.RTO(time.Minute), drtest.RPO(0)},
		"DR-NET-002": {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
		// Service goes on while stored states are wrong: what was promised is that the workflows
		// are restored.
		"DR-DATA-001":   {drtest.Detection(time.Minute), drtest.WorkRTO(2 * time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-DATA-002":   {drtest.Detection(time.Minute), drtest.WorkRTO(time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-BACKUP-001": {drtest.Detection(2 * time.Minute), drtest.RTO(10 * time.Minute), drtest.RPO(time.Hour)},
		"DR-REGION-001": {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
		"DR-REGION-002": {drtest.Detection(time.Minute), drtest.RTO(time.Minute), drtest.RPO(0)},
		"DR-BACKUP-002": {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
	}[id]
	require.True(t, ok, "no targets are known for %s", id)
	return promised
}

package scenarios

import "testing"

func TestLoss(t *testing.T) { t.Skip("is read by the tests of drreport, and not run") }

// Package scenarios drills the LLM workflow orchestrator of fixtures/orchestrator. One file is one
// disaster: the requirement, the test that starts a system of its own and plays the scenario, and
// the test that sabotages the system and demands that the scenario then fails, for the stated
// reason. What several scenarios use is in orchestrator_test.go, clusters_test.go, backups_test.go
// and suite_test.go.
package scenarios

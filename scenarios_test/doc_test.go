// Package scenarios drills the LLM workflow orchestrator of fixtures/orchestrator: one file is one
// disaster, with the scenario, the test that plays it, and the test that sabotages the system and
// demands that the scenario then fails, for the stated reason.
package scenarios

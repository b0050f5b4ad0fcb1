package main

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/internal/machine"
	"github.com/google/go-cmp/cmp"
)

// Before drills are played again the machine has to be calm, for which a run waits a while.
func TestAwaitCalm(t *testing.T) {
	for _, c := range []struct {
		reason string
		busy   time.Duration // until then all processors are in use
		signal bool
		takes  time.Duration
		says   string
	}{
		{reason: "a calm machine", takes: 5 * time.Second},
		{reason: "a busy one, for a minute", busy: time.Minute, takes: time.Minute, says: "waiting for the machine, which other work keeps busy, for up to 5m0s\n"},
		{reason: "one that is always busy", busy: time.Hour, takes: 5 * time.Minute, says: "waiting for the machine, which other work keeps busy, for up to 5m0s\n" +
			"the machine has not kept up with other work for 5m0s, and the drills are played nevertheless\n"},
		{reason: "an interrupt", busy: time.Hour, signal: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var said strings.Builder
			start, signals := time.Now(), make(chan os.Signal, 1)
			if c.signal {
				signals <- os.Interrupt
			}
			look := func() machine.Totals {
				passed := time.Since(start)
				return machine.Totals{Processors: 2, Pressure: true, All: 200 * passed.Seconds(), Idle: 200 * max(0, passed-c.busy).Seconds()}
			}
			interrupted := command{stdout: &said, signals: signals, look: look}.awaitCalm()
			if got := time.Since(start); interrupted != c.signal || got < c.takes || got > c.takes+calmFor {
				t.Errorf("%s: it took %v, want %v; interrupted: %v", c.reason, got, c.takes, interrupted)
			}
			if diff := cmp.Diff(c.says, said.String()); diff != "" {
				t.Errorf("%s: it says (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

package scenarios

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// attempt calls start with a test that start may fail without failing t, which owns what is
// started. Its error is what start failed with.
func attempt(t testing.TB, start func(testing.TB)) error {
	a := &attempted{TB: t}
	done, came := make(chan struct{}), false
	go func() { // which FailNow ends
		defer close(done)
		start(a)
		came = true
	}()
	<-done
	a.over = true
	switch {
	case a.failed:
		return errors.New(strings.Join(a.said, "; "))
	case !came:
		return errors.New("it was skipped")
	}
	return nil
}

// attempted takes down what start fails with, and leaves to the test what comes later, as it cleans
// up.
type attempted struct {
	testing.TB
	over   bool
	failed bool
	said   []string
}

func (a *attempted) Fail() {
	if a.over {
		a.TB.Fail()
		return
	}
	a.failed = true
}
func (a *attempted) Attr(key, value string) { // a start that t survives is no excuse for t
	if a.over {
		a.TB.Attr(key, value)
	}
}
func (a *attempted) Failed() bool                   { return a.failed || a.TB.Failed() }
func (a *attempted) Error(args ...any)              { a.Errorf("%s", fmt.Sprintln(args...)) }
func (a *attempted) Fatal(args ...any)              { a.Fatalf("%s", fmt.Sprintln(args...)) }
func (a *attempted) Fatalf(format string, v ...any) { a.Errorf(format, v...); a.FailNow() }
func (a *attempted) Errorf(format string, v ...any) {
	if a.over {
		a.TB.Errorf(format, v...)
		return
	}
	a.Fail()
	a.said = append(a.said, strings.Join(strings.Fields(fmt.Sprintf(format, v...)), " "))
}
func (a *attempted) FailNow() {
	a.Fail()
	runtime.Goexit()
}

func TestAttemptControl(t *testing.T) {
	for want, start := range map[string]func(testing.TB){
		"":                  func(testing.TB) {},
		"no engine":         func(t testing.TB) { t.Fatal("no engine"); panic("not reached") },
		"it was skipped":    func(testing.TB) { runtime.Goexit() },
		"no image; at port": func(t testing.TB) { t.Error("no", "image"); t.Fatalf("at %s", "port") },
	} {
		err := attempt(t, start)
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && err != nil {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

package drtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// call bounds f by limit, also an f that ignores its context. An f that panics, or that ends its
// goroutine as FailNow does, breaks the drill.
func (p *player) call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	answer := make(chan error, 1)
	go p.ask(ctx, limit, f, func(err error) { answer <- err })
	return <-answer
}

// ask is call for a goroutine that may have to wait for an f that ignores its context: told gets in
// time what call returns.
func (p *player) ask(ctx context.Context, limit time.Duration, f func(context.Context) error, told func(error)) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	var once sync.Once
	tell := func(err error) { once.Do(func() { told(err) }) }
	answered := context.AfterFunc(ctx, func() {
		time.AfterFunc(answerGrace, func() { tell(fmt.Errorf("no answer, and its context is ignored: %w", context.Cause(ctx))) })
	})
	defer cancel()
	defer answered()
	returned := false
	defer func() {
		if !returned {
			tell(fmt.Errorf("it %w", p.abandoned(recover())))
		}
	}()
	err := f(ctx)
	returned = true
	tell(err)
}

// abandoned breaks the drill after a function of the scenario that did not return, and says why: it
// panicked with this, or, if it is nil, ended its goroutine.
func (p *player) abandoned(with any) error {
	err := errors.New("ended its goroutine, as FailNow does: return an error instead")
	if with != nil {
		err = fmt.Errorf("panicked: %v, at %s", with, origin())
	}
	p.abort(fmt.Errorf("a function of the scenario %w", err))
	return err
}

// class returns that of a unit.
func (p *player) class(id string) string {
	c, ok := p.Workload.(Classifier)
	if !ok {
		return ""
	}
	returned := false
	defer func() {
		if !returned {
			_ = p.abandoned(recover())
		}
	}()
	class := c.Class(id)
	returned = true
	return class
}

// origin returns where the panic began that is being recovered from: "service.go:17
// (example.com/shop.(*Client).Do)".
func origin() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for panicked := false; ; {
		frame, more := frames.Next()
		switch {
		case strings.HasPrefix(frame.Function, "runtime."):
			panicked = panicked || frame.Function == "runtime.gopanic"
		case panicked:
			return fmt.Sprintf("%s:%d (%s)", filepath.Base(frame.File), frame.Line, frame.Function)
		}
		if !more {
			return "an unknown place"
		}
	}
}

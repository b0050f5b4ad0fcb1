package drtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// NoFault leaves the system alone: the control drill, which must measure no outage and no loss.
func NoFault() Fault {
	return NewFault("no fault", func(context.Context) (Receipt, error) { return "nothing was done", nil }, nil)
}

// NewFault makes a fault of two functions. A nil heal heals nothing.
func NewFault(name string, inject func(context.Context) (Receipt, error), heal func(context.Context) error) Fault {
	return fault{name, inject, heal}
}

type fault struct {
	name   string
	inject func(context.Context) (Receipt, error)
	heal   func(context.Context) error
}

func (f fault) String() string { return f.name }

func (f fault) Inject(ctx context.Context) (Receipt, error) {
	if f.inject == nil {
		return "", errors.New("it has no function to inject it")
	}
	return f.inject(ctx)
}

func (f fault) Heal(ctx context.Context) error {
	if f.heal == nil {
		return nil
	}
	return f.heal(ctx)
}

// onset returns between which moments a fault took effect whose Inject was called at one time and has just returned. It refuses moments
// that cannot be.
func onset(f Fault, called time.Time) (not, certain time.Time, err error) {
	not, certain = called, time.Now()
	if t, ok := f.(Timed); ok {
		from, to := t.Onset()
		if !from.IsZero() {
			not = from
		}
		if !to.IsZero() && to.Before(certain) {
			certain = to
		}
	}
	first := not
	if certain.Before(first) {
		first = certain
	}
	switch before, wrong := called.Sub(first), not.Sub(certain); {
	case before > 0:
		err = fmt.Errorf("it says that it took effect %v before it was injected", before)
	case wrong > 0:
		err = fmt.Errorf("it says that it was not in effect yet %v after it was", wrong)
	}
	return not, certain, err
}

// A Derived fault injects another one, Of, and does something before it or after it: when it takes effect, and what is
// seen of it later, are those of the other.
type Derived struct {
	Fault
	Of Fault
}

// Onset is that of the other fault.
func (d Derived) Onset() (not, certain time.Time) {
	if t, ok := d.Of.(Timed); ok {
		return t.Onset()
	}
	return time.Time{}, time.Time{}
}

// Confirm confirms the other fault.
func (d Derived) Confirm(ctx context.Context) (Receipt, error) {
	if c, ok := d.Of.(Confirmer); ok {
		return c.Confirm(ctx)
	}
	return "", nil
}

// Together is one disaster of several faults: they are injected at the same time. It is not in effect before the first of them is, and
// certainly is when all of them are. Heal undoes all.
func Together(faults ...Fault) Fault { return &together{faults: faults} }

type together struct {
	faults []Fault
	mu     sync.Mutex
	not    time.Time // of the first one
	all    time.Time // of the last one
}

func (fs *together) String() string {
	var names []string
	for _, f := range fs.faults {
		names = append(names, f.String())
	}
	return strings.Join(names, " and ")
}

func (fs *together) Inject(ctx context.Context) (Receipt, error) {
	return fs.each(func(f Fault) (Receipt, error) {
		called := time.Now()
		receipt, err := f.Inject(ctx)
		switch {
		case err != nil:
			return "", err
		case receipt == "":
			return "", errors.New(f.String() + ": no receipt")
		}
		not, certain, err := onset(f, called)
		if err != nil {
			return "", fmt.Errorf("%v: %w", f, err)
		}
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if fs.not.IsZero() || not.Before(fs.not) {
			fs.not = not
		}
		if certain.After(fs.all) {
			fs.all = certain
		}
		return receipt, nil
	})
}

func (fs *together) Onset() (not, certain time.Time) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.not, fs.all
}

func (fs *together) Heal(ctx context.Context) error {
	_, err := fs.each(func(f Fault) (Receipt, error) { return "", f.Heal(ctx) })
	return err
}

func (fs *together) Confirm(ctx context.Context) (Receipt, error) {
	return fs.each(func(f Fault) (Receipt, error) {
		if c, ok := f.(Confirmer); ok {
			return c.Confirm(ctx)
		}
		return "", nil
	})
}

// each does the same to all faults at the same time, and joins what comes of it in their order.
func (fs *together) each(do func(Fault) (Receipt, error)) (Receipt, error) {
	receipts, errs := make([]Receipt, len(fs.faults)), make([]error, len(fs.faults))
	var all sync.WaitGroup
	for i, f := range fs.faults {
		all.Go(func() { receipts[i], errs[i] = do(f) })
	}
	all.Wait()
	var said []string
	for _, r := range receipts {
		if r != "" {
			said = append(said, string(r))
		}
	}
	return Receipt(strings.Join(said, "; ")), errors.Join(errs...)
}

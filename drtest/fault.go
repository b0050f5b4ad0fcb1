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
	return Fault{Name: "no fault", Inject: func(context.Context) (Effect, error) { return Effect{Receipt: "nothing was done"}, nil }}
}

// inject injects the fault, and returns between which moments it took effect. It refuses moments
// that cannot be, and an effect without evidence.
func (f Fault) inject(ctx context.Context) (Effect, error) {
	if f.Err != nil {
		return Effect{}, f.Err
	}
	called := time.Now()
	e, err := f.Inject(ctx)
	returned := time.Now()
	switch {
	case err != nil:
		return e, err
	case e.Receipt == "":
		return e, errors.New("the fault never happened: it returned no receipt")
	}
	if e.NotBefore.IsZero() {
		e.NotBefore = called
	}
	if e.By.IsZero() || e.By.After(returned) {
		e.By = returned
	}
	first := e.NotBefore
	if e.By.Before(first) {
		first = e.By
	}
	switch before, wrong := called.Sub(first), e.NotBefore.Sub(e.By); {
	case before > 0:
		err = fmt.Errorf("it says that it took effect %v before it was injected", before)
	case wrong > 0:
		err = fmt.Errorf("it says that it was not in effect yet %v after it was", wrong)
	}
	return e, err
}

// heal heals the fault, where there is something to undo.
func (f Fault) heal(ctx context.Context) error {
	if f.Heal == nil {
		return nil
	}
	return f.Heal(ctx)
}

// confirm collects late evidence, where there is any.
func (f Fault) confirm(ctx context.Context) (Receipt, error) {
	if f.Confirm == nil {
		return "", nil
	}
	return f.Confirm(ctx)
}

// Together is one disaster of several faults: they are injected at the same time. It is not in
// effect before the first of them is, and certainly is when all of them are. Heal undoes all, and
// Confirm confirms all.
func Together(faults ...Fault) Fault {
	var names []string
	var errs []error
	for _, f := range faults {
		names, errs = append(names, f.Name), append(errs, f.Err)
	}
	return Fault{
		Name: strings.Join(names, " and "),
		Err:  errors.Join(errs...),
		Inject: func(ctx context.Context) (Effect, error) {
			var all Effect
			effects, err := each(faults, func(f Fault) (Effect, error) {
				e, err := f.inject(ctx)
				if err != nil {
					err = fmt.Errorf("%s: %w", f.Name, err)
				}
				return e, err
			})
			for _, e := range effects {
				all.Receipt = all.Receipt.and(e.Receipt)
				if all.NotBefore.IsZero() || e.NotBefore.Before(all.NotBefore) {
					all.NotBefore = e.NotBefore
				}
				if e.By.After(all.By) {
					all.By = e.By
				}
			}
			return all, err
		},
		Heal: func(ctx context.Context) error {
			_, err := each(faults, func(f Fault) (struct{}, error) { return struct{}{}, f.heal(ctx) })
			return err
		},
		Confirm: func(ctx context.Context) (Receipt, error) {
			var all Receipt
			receipts, err := each(faults, func(f Fault) (Receipt, error) { return f.confirm(ctx) })
			for _, r := range receipts {
				all = all.and(r)
			}
			return all, err
		},
	}
}

// and puts two pieces of evidence together.
func (r Receipt) and(other Receipt) Receipt {
	if r == "" || other == "" {
		return r + other
	}
	return r + "; " + other
}

// each does the same to all faults at the same time, and returns what comes of it in their order.
func each[T any](faults []Fault, do func(Fault) (T, error)) ([]T, error) {
	results, errs := make([]T, len(faults)), make([]error, len(faults))
	var all sync.WaitGroup
	for i, f := range faults {
		all.Go(func() { results[i], errs[i] = do(f) })
	}
	all.Wait()
	return results, errors.Join(errs...)
}

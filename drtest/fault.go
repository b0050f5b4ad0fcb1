package drtest

import "context"

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

func (f fault) String() string                              { return f.name }
func (f fault) Inject(ctx context.Context) (Receipt, error) { return f.inject(ctx) }
func (f fault) Heal(ctx context.Context) error {
	if f.heal == nil {
		return nil
	}
	return f.heal(ctx)
}

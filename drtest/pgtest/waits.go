package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/jackc/pgx/v5"
)

// waitsLook bounds the look for a commit that waits, before the fault.
const waitsLook = 2 * time.Second

// Waits are the evidence that commits waited for a standby until the fault. Without it a drill that loses nothing may
// only have been lucky: an asynchronous standby is behind by milliseconds.
type Waits struct {
	primary     *Node
	application string

	mu       sync.Mutex
	evidence string
	err      error
}

// CommitsWait returns the evidence for the commits of an application on a primary. It knows its sessions by their
// application_name, and its settings by those of a new session in the database app, as postgres.
func CommitsWait(primary *Node, application string) *Waits {
	return &Waits{primary: primary, application: application, err: fmt.Errorf("%w: nobody looked", drtest.ErrInconclusive)}
}

// Before returns the fault with a look at the primary just before it. That takes until a commit of the application is seen to
// wait, some ten milliseconds, and two seconds at most. What it finds is judged by [Waits.Proof].
func (w *Waits) Before(f drtest.Fault) drtest.Fault {
	return waitingFault{drtest.Derived{Fault: f, Of: f}, w}
}

type waitingFault struct {
	drtest.Derived
	waits *Waits
}

func (f waitingFault) Inject(ctx context.Context) (drtest.Receipt, error) {
	f.waits.look(ctx)
	return f.Fault.Inject(ctx)
}

// Proof is named "commits waited for a standby". It is refuted by settings with which they do not, and by a standby that is
// not synchronous; it is inconclusive where none was seen to wait.
func (w *Waits) Proof() drtest.Proof {
	return drtest.Proof{Name: "commits waited for a standby", Examine: func(context.Context) (string, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.evidence, w.err
	}}
}

func (w *Waits) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+waitsLook)
	defer cancel()
	evidence, err := w.see(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.evidence, w.err = evidence, err
}

func (w *Waits) see(ctx context.Context) (string, error) {
	conn, err := w.primary.Connect(ctx) // a new session has the settings of its role and its database
	if err != nil {
		return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var s standing
	if err := s.read(ctx, conn); err != nil {
		return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
	}
	if err := s.judge(); err != nil {
		return "", err
	}
	waiting, cancel := context.WithTimeout(ctx, waitsLook)
	defer cancel()
	seen := ""
	err = wait.For(waiting, 2*time.Millisecond, func(ctx context.Context) error {
		err := conn.QueryRow(ctx, `SELECT left(query, 40) FROM pg_stat_activity
			WHERE application_name = $1 AND wait_event = 'SyncRep' LIMIT 1`, w.application).Scan(&seen)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("no commit of %s was seen to wait for a standby", w.application)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
	}
	return fmt.Sprintf("just before the fault a commit of %s waited (%s); standby %s; fsync, full_page_writes and synchronous_commit are %s, %s and %s",
		w.application, strings.Join(strings.Fields(seen), " "), s.standbys, s.fsync, s.fullPages, s.commit), nil
}

// A standing is what a primary says of its commits.
type standing struct{ names, commit, fsync, fullPages, standbys string }

func (s *standing) read(ctx context.Context, conn *pgx.Conn) error {
	return conn.QueryRow(ctx, `SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
		current_setting('fsync'), current_setting('full_page_writes'),
		coalesce((SELECT string_agg(application_name || ' ' || state || ' ' || sync_state, ', ') FROM pg_stat_replication
			WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')), '')`).
		Scan(&s.names, &s.commit, &s.fsync, &s.fullPages, &s.standbys)
}

// judge says with what commits are not safe on a standby when they are acknowledged.
func (s standing) judge() error {
	var wrong []string
	if s.names == "" {
		wrong = append(wrong, "synchronous_standby_names is empty")
	}
	if s.standbys == "" {
		wrong = append(wrong, "no standby that streams is synchronous")
	}
	if s.commit != "on" && s.commit != "remote_apply" {
		wrong = append(wrong, "synchronous_commit is "+s.commit)
	}
	if s.fsync != "on" {
		wrong = append(wrong, "fsync is "+s.fsync)
	}
	if s.fullPages != "on" {
		wrong = append(wrong, "full_page_writes is "+s.fullPages)
	}
	if len(wrong) > 0 {
		return errors.New("just before the fault: " + strings.Join(wrong, ", "))
	}
	return nil
}

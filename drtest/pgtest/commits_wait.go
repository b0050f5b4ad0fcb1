package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/jackc/pgx/v5"
)

// waitsLook bounds the look for a commit that waits, before the fault.
const waitsLook = 2 * time.Second

// CommitsWait proves that the commits of an application waited for a standby until the fault.
// Without it a drill that loses nothing may only have been lucky: an asynchronous standby is behind
// by milliseconds. Just before the fault it looks at the primary, which takes until a commit of the
// application is seen to wait: some ten milliseconds, and two seconds at most. It knows the
// sessions of the application by their application_name, and its settings by those of a new session
// in the database app, as postgres.
//
// The proof is refuted by settings with which commits do not wait, and by a standby that is not
// synchronous. It is inconclusive where no commit was seen to wait.
func CommitsWait(primary *Node, application string) drtest.Proof {
	var evidence string
	return drtest.Proof{
		Name: "commits waited for a standby",
		Before: func(ctx context.Context) (err error) {
			evidence, err = seeWait(ctx, primary, application)
			return err
		},
		Examine: func(context.Context) (string, error) { return evidence, nil },
	}
}

func seeWait(ctx context.Context, primary *Node, application string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+waitsLook)
	defer cancel()
	conn, err := primary.Connect(ctx) // a new session has the settings of its role and its database
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
	waiting, stop := context.WithTimeout(ctx, waitsLook)
	defer stop()
	seen := ""
	err = wait.For(waiting, 2*time.Millisecond, func(ctx context.Context) error {
		err := conn.QueryRow(ctx, `SELECT left(query, 40) FROM pg_stat_activity
			WHERE application_name = $1 AND wait_event = 'SyncRep' LIMIT 1`, application).Scan(&seen)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("no commit of %s was seen to wait for a standby", application)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
	}
	return fmt.Sprintf("just before the fault a commit of %s waited (%s); standby %s; fsync, full_page_writes and synchronous_commit are %s, %s and %s",
		application, strings.Join(strings.Fields(seen), " "), s.standbys, s.fsync, s.fullPages, s.commit), nil
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

package patronitest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s coalesced[int]
		began := time.Now()
		var asked []time.Duration
		ask := func(context.Context) (int, error) {
			asked = append(asked, time.Since(began))
			n := len(asked)
			<-time.After(20 * time.Millisecond)
			return n, nil
		}
		var callers sync.WaitGroup
		got := make([]int, 4)
		for i, at := range []time.Duration{0, 0, 4 * time.Millisecond, 6 * time.Millisecond} {
			callers.Go(func() {
				<-time.After(at)
				var err error
				got[i], err = s.get(t.Context(), ask)
				require.NoError(t, err)
			})
		}
		callers.Wait()
		require.Equal(t, []int{1, 1, 1, 2}, got, "who comes after a question was asked waits for the next one")
		require.Equal(t, []time.Duration{5 * time.Millisecond, 11 * time.Millisecond}, asked, "they do not wait for each other")
	})
}

// One who leaves takes nothing from the others.
func TestSharedByOneWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s coalesced[string]
		gone := errors.New("gone")
		leaving, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(7*time.Millisecond, func() { leave(gone) })
		ask := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(20 * time.Millisecond):
				return "answer", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}
		var other sync.WaitGroup
		other.Go(func() {
			<-time.After(time.Millisecond)
			got, err := s.get(t.Context(), ask)
			require.NoError(t, err)
			require.Equal(t, "answer", got)
		})
		_, err := s.get(leaving, ask)
		require.ErrorIs(t, err, gone)
		other.Wait()

		// A question that nobody answers ends all the same.
		begun := time.Now()
		_, err = s.get(t.Context(), func(ctx context.Context) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, gathering+questionTimeout, time.Since(begun))
	})
}

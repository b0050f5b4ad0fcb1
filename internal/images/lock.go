package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/wait"
	"github.com/gofrs/flock"
)

// cacheDir returns the folder that the processes of one user share.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "drtest")
}

const (
	lockPoll = 50 * time.Millisecond
	// signOfLife is how often the holder of a lock shows that it goes on, and lifeless after how
	// long without that those who wait give up.
	signOfLife = 5 * time.Second
	lifeless   = 45 * time.Second
)

// lock waits until no other process or goroutine holds the lock of that name. The lock of a process
// ends with it; of one that is stopped, or hangs in its file system, the error says which it is.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(name))
	path := filepath.Join(cacheDir(), "locks", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return lockFile(ctx, path, name, lifeless)
}

func lockFile(ctx context.Context, path, name string, lifeless time.Duration) (unlock func(), err error) {
	l := flock.New(path)
	switch locked, err := l.TryLock(); {
	case err != nil:
		return nil, err
	case locked:
		return held(l), nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer docker.Voice("another process that makes " + name)()
	begin := time.Now()
	err = wait.For(ctx, lockPoll, func(context.Context) error {
		if locked, err := l.TryLock(); err != nil || locked {
			return err
		}
		alive := begin
		if file, err := os.Stat(path); err == nil && file.ModTime().After(alive) {
			alive = file.ModTime()
		}
		pid, _ := os.ReadFile(path)
		if time.Since(alive) > lifeless {
			cancel(fmt.Errorf("it gave no sign of life for %v: is it stopped? End it, or have it go on", lifeless))
		}
		return fmt.Errorf("process %s has the lock %s", pid, path)
	})
	if err != nil {
		return nil, fmt.Errorf("wait for another process that makes %s: %w", name, err)
	}
	return held(l), nil
}

// held shows that a lock is held by a process that lives, until it is unlocked.
func held(l *flock.Flock) (unlock func()) {
	// What is only shown to those who wait may fail.
	show := func() { _ = os.WriteFile(l.Path(), []byte(strconv.Itoa(os.Getpid())), 0o644) }
	show()
	ticker, done, ended := time.NewTicker(signOfLife), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				show()
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-ended
		l.Unlock()
	}
}

// Package watch tells Prometheus of a run of drills while it goes on: it reads the journals that
// they are writing, and answers whoever asks for /metrics.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/formats"
	"github.com/drtest/suite/internal/report"
)

// silence is how old the last line of a journal is at most whose drill goes on: while it does, it
// writes several in a second. That of a test process that was killed stays as it is.
const silence = 10 * time.Second

// A Server answers until it is closed.
type Server struct {
	server http.Server
	at     net.Addr
	served chan struct{} // closed when it takes no more connections

	mu    sync.Mutex
	dir   string
	ended map[string]report.Result // by the ID of the drill: of those that began last
	whole map[string]bool          // journals, by path
}

// Listen begins to answer on an address, for the journals below a directory. An address without a
// host, such as ":9464", is one of this machine alone.
func Listen(addr, dir string) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for Prometheus: %w", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("listen for Prometheus: %w", err)
	}
	s := newServer(dir)
	s.at, s.served = listener.Addr(), make(chan struct{})
	s.server = http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // which ends when it is closed
	}()
	return s, nil
}

func newServer(dir string) *Server {
	return &Server{dir: dir, ended: map[string]report.Result{}, whole: map[string]bool{}}
}

// URL is where it answers.
func (s *Server) URL() string { return "http://" + s.at.String() + "/metrics" }

// Close ends it, once those have their answer who have asked.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	<-s.served
	return err
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		text, err := s.metrics(time.Now())
		if err != nil {
			http.Error(w, "the journals cannot be read", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(text)
	})
	return mux
}

// metrics reads what has been written since it was asked last. A journal that is whole is read
// once: drills measure the machine that this runs on.
func (s *Server) metrics(now time.Time) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var running []formats.Running
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it has gone since it was listed
		case err != nil:
			return err
		case entry.IsDir() || filepath.Ext(path) != ".ndjson" || s.whole[path]:
			return nil
		}
		r := open(path)
		if r == nil {
			return nil
		}
		if r.Ledger.Ended {
			s.whole[path] = true
			s.end(r)
		} else if info, err := entry.Info(); err == nil && now.Sub(info.ModTime()) <= silence {
			running = append(running, formats.NewRunning(r.Ledger, now))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ended := &report.Report{}
	for _, id := range slices.Sorted(maps.Keys(s.ended)) {
		ended.Results = append(ended.Results, s.ended[id])
	}
	return formats.Live(running, ended), nil
}

// end notes what a drill showed that has ended.
func (s *Server) end(r *drtest.Report) {
	x := report.OfDrill(r).Results[0]
	if known, is := s.ended[x.ID]; !is || known.Began.Before(*x.Began) {
		s.ended[x.ID] = x
	}
}

// open reads a journal as far as it is written. It returns nil where it does not say yet what is
// played.
func open(path string) *drtest.Report {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	r, _ := drtest.ReadReport(file) // a line that is being written is cut off
	if r.Ledger.Drill.ID == "" {
		return nil
	}
	return r
}

package main

import (
	"context"
	"io"
	"log"
	"net"
	"sync"
	"time"
)

// dialTimeout is far more than a connection within one machine takes, and less than the kernel
// waits before it sends a lost SYN again.
const dialTimeout = 250 * time.Millisecond

// A relay carries connections to where it is led at the time.
type relay struct {
	mu    sync.Mutex
	route *route
}

// A route is what a relay does between two orders.
type route struct {
	target  string
	ctx     context.Context
	close   context.CancelFunc
	carried sync.WaitGroup
}

func newRoute(target string) *route {
	r := &route{target: target}
	r.ctx, r.close = context.WithCancel(context.Background())
	return r
}

func newRelay() *relay { return &relay{route: newRoute("")} }

// redirect sends new connections to target, and returns when the others are closed.
func (r *relay) redirect(target string) {
	r.mu.Lock()
	old := r.route
	r.route = newRoute(target)
	r.mu.Unlock()
	old.close()
	old.carried.Wait()
}

// serve carries the connections that l accepts, until l is closed.
func (r *relay) serve(l net.Listener) error {
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		r.mu.Lock()
		route := r.route
		route.carried.Go(func() { carry(route.ctx, client.(*net.TCPConn), route.target) })
		r.mu.Unlock()
	}
}

// carry copies what either side sends until both have ended, one has failed, or ctx ends.
func carry(ctx context.Context, client *net.TCPConn, target string) {
	defer client.Close()
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		log.Print(err)
		return
	}
	upstream := conn.(*net.TCPConn)
	defer upstream.Close()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() {
		client.Close()
		upstream.Close()
	})
	var ends sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{upstream, client}, {client, upstream}} {
		ends.Go(func() {
			if _, err := io.Copy(way[0], way[1]); err != nil {
				stop()
				return
			}
			way[0].CloseWrite()
		})
	}
	ends.Wait()
}

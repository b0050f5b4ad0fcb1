//go:build linux

package hosttest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServer is a service that keeps orders in a file, for other tests to run as a process of its
// own: "GET /" returns those that it has, "POST /id" adds one.
func TestServer(t *testing.T) {
	addr, path := os.Getenv("SHOP_ADDR"), os.Getenv("SHOP_FILE")
	if addr == "" {
		t.Skip("is run by other tests")
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	var mu sync.Mutex
	fmt.Println("shop opens")
	t.Fatal(http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodGet {
			http.ServeFile(w, r, path)
		} else if _, err := fmt.Fprintln(file, strings.TrimPrefix(r.URL.Path, "/")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})))
}

// A shop is what clients ask for orders.
type shop struct{ addr string }

func (s shop) Do(ctx context.Context, id string) error {
	_, err := s.ask(ctx, http.MethodPost, id)
	return err
}

func (s shop) Survivors(ctx context.Context) ([]string, error) {
	all, err := s.ask(ctx, http.MethodGet, "")
	return strings.Fields(all), err
}

func (s shop) Ready(ctx context.Context) error {
	_, err := s.ask(ctx, http.MethodGet, "")
	return err
}

func (s shop) ask(ctx context.Context, method, id string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+"/"+id, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

// freeAddr returns an address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

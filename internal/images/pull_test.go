package images

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// TestSlowPull: a pull that tells of progress may take its time, and one that does not is given up
// with the last that it told.
func TestSlowPull(t *testing.T) {
	for _, c := range []struct {
		reason string
		hangs  int // after so many words
		want   string
	}{
		{"slow", 6, ""},
		{"no word at all", 0, "the engine to pull debian:x: no word for 300ms"},
		{"it stalls", 3, "the engine to pull debian:x: no word for 300ms, the last one was: layer Downloading 2"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Api-Version", "1.41")
				if !strings.HasSuffix(r.URL.Path, "/images/create") {
					return
				}
				for i := range 6 {
					if i == c.hangs {
						<-r.Context().Done()
						return
					}
					fmt.Fprintf(w, "{\"id\":\"layer\",\"status\":\"Downloading %d\"}\n", i)
					w.(http.Flusher).Flush()
					<-time.After(100 * time.Millisecond)
				}
			}))
			defer server.Close()
			cli, err := client.New(client.WithHost("tcp://" + server.Listener.Addr().String()))
			require.NoError(t, err)
			defer cli.Close()
			err = pull(t.Context(), &docker.Engine{Client: cli}, "debian:x", 300*time.Millisecond)
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.want)
			}
		})
	}
}

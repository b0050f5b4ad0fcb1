// Command program is Toxiproxy with a relay behind each link. Toxiproxy dials upstreams one after
// the other and without a time limit: while a node vanishes, a single connection to it would block
// a link, and any change of it, for minutes. A relay accepts at once, dials in its own time, and
// can be led elsewhere.
package main

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// guard lets in who knows the password. Without one it lets in nobody.
func guard(password string, inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, given, _ := req.BasicAuth()
		if password == "" || subtle.ConstantTimeCompare([]byte(given), []byte(password)) != 1 {
			http.Error(w, "the API of this proxy needs its password", http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, req)
	})
}

// The program is told its first port and the number of ports after it: the address of its API, and
// then those of the relays. Only the API is for the outside.
func main() {
	first, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	relays := map[string]*relay{}
	for port := first + 1; port <= first+count; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			log.Fatal(err)
		}
		r := newRelay()
		relays[strconv.Itoa(port)] = r
		go func() { log.Fatal(r.serve(l)) }()
	}

	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.New(os.Stdout).Level(zerolog.WarnLevel))
	api := http.NewServeMux()
	api.Handle("/", server.Routes())
	api.HandleFunc("PUT /relays/{port}", func(w http.ResponseWriter, req *http.Request) {
		addr, err := io.ReadAll(req.Body)
		r, ok := relays[req.PathValue("port")]
		if err != nil || !ok {
			http.Error(w, "no such relay", http.StatusNotFound)
			return
		}
		r.redirect(string(addr))
	})
	log.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", first), guard(os.Getenv("API_PASSWORD"), api)))
}

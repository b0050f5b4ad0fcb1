// App is the service of a user of drtest: it takes orders and keeps them in PostgreSQL.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// build is another one for each run of the test that this is a part of, which removes its images.
const build = "BUILD"

func main() {
	db, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, err := db.Exec(r.Context(), "INSERT INTO orders VALUES ($1) ON CONFLICT DO NOTHING", r.PathValue("id"))
		answer(w, http.StatusCreated, r.PathValue("id"), err)
	})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		rows, _ := db.Query(r.Context(), "SELECT id FROM orders")
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		answer(w, http.StatusOK, ids, err)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		_, err := db.Exec(ctx, "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY)")
		answer(w, http.StatusOK, build, err)
	})
	log.Fatal(http.ListenAndServe(":8080", mux))
}

func answer(w http.ResponseWriter, status int, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

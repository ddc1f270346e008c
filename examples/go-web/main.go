// Command web is an HTTP server that needs what real ones need: certificates, time zones, a port
// that is told by the environment, and an orderly end.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	fetchTimeout    = 5 * time.Second
	shutdownTimeout = 10 * time.Second
)

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	server := &http.Server{
		Addr:              ":" + port(os.Getenv),
		Handler:           handler(&http.Client{Timeout: fetchTimeout, CheckRedirect: noRedirect}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("listening on %s as user %d", server.Addr, os.Getuid())
	select {
	case err := <-failed:
		log.Fatal(err)
	case <-stop.Done():
	}
	finish, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(finish); err != nil {
		log.Fatal(err)
	}
	log.Print("stopped")
}

// port returns what PORT says, or the usual one.
func port(getenv func(string) string) string {
	if port := getenv("PORT"); port != "" {
		return port
	}
	return "8080"
}

// handler returns everything that the server answers; client is what /fetch fetches with.
func handler(client *http.Client) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", hello)
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /time", showTime)
	routes.HandleFunc("GET /fetch", func(w http.ResponseWriter, r *http.Request) { fetch(w, r, client) })
	return routes
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintln(w, "<!doctype html><title>web</title><h1>Hello from the last stage</h1>")
}

// showTime answers with the time in a zone, UTC if none is named.
func showTime(w http.ResponseWriter, r *http.Request) {
	zone, err := time.LoadLocation(r.URL.Query().Get("zone"))
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, time.Now().In(zone).Format(time.RFC3339+" MST"))
}

// fetch answers with the status of another server, which must prove who it is.
func fetch(w http.ResponseWriter, r *http.Request, client *http.Client) {
	address, err := url.Parse(r.URL.Query().Get("url"))
	if err != nil || address.Scheme != "https" || address.Host == "" {
		answer(w, http.StatusBadRequest, "url must be an https address")
		return
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address.String(), nil)
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	response, err := client.Do(request)
	if err != nil {
		answer(w, http.StatusBadGateway, err.Error())
		return
	}
	response.Body.Close()
	answer(w, http.StatusOK, response.Status)
}

// noRedirect keeps /fetch at the address that it was given.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

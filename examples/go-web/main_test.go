package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func get(t *testing.T, client *http.Client, target string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler(client).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	return recorder.Code, recorder.Body.String()
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		target string
		status int
		text   string
	}{
		{"/", http.StatusOK, "Hello"},
		{"/healthz", http.StatusOK, "ok"},
		{"/time", http.StatusOK, "UTC"},
		{"/time?zone=Nowhere/Land", http.StatusBadRequest, "unknown time zone Nowhere/Land"},
		{"/fetch", http.StatusBadRequest, "url must be an https address"},
		{"/fetch?url=http://localhost/", http.StatusBadRequest, "url must be an https address"},
		{"/fetch?url=https:///path", http.StatusBadRequest, "url must be an https address"},
		{"/elsewhere", http.StatusNotFound, "not found"},
	} {
		status, text := get(t, http.DefaultClient, c.target)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d %q; want %d and %q", c.target, status, text, c.status, c.text)
		}
	}
}

func TestOnlyGetIsAllowed(t *testing.T) {
	recorder := httptest.NewRecorder()
	handler(http.DefaultClient).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/healthz", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /healthz: %d", recorder.Code)
	}
}

func TestFetchTellsTheStatus(t *testing.T) {
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	status, text := get(t, other.Client(), "/fetch?url="+url.QueryEscape(other.URL))
	if status != http.StatusOK || text != "404 Not Found\n" {
		t.Errorf("/fetch: %d %q", status, text)
	}
}

func TestFetchRefusesAnUnknownAuthority(t *testing.T) {
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	status, text := get(t, http.DefaultClient, "/fetch?url="+url.QueryEscape(other.URL))
	if status != http.StatusBadGateway || !strings.Contains(text, "certificate") {
		t.Errorf("/fetch: %d %q", status, text)
	}
}

func TestPort(t *testing.T) {
	set := map[string]string{"PORT": "9000"}
	if got := port(func(name string) string { return set[name] }); got != "9000" {
		t.Errorf("port = %s", got)
	}
	if got := port(func(string) string { return "" }); got != "8080" {
		t.Errorf("port = %s without PORT", got)
	}
}

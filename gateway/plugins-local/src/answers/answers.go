// Package answers gives the gateway's own refusals the JSON shape that those of the services have.
//
// A service puts X-Request-Id on every answer, and Traefik never does: an answer from 400 on without
// it is Traefik's own. Its `errors` middleware looks at the status alone, and both give the same
// ones, so it would replace what a service has to say.
package answers

import (
	"context"
	"io"
	"net/http"
	"strconv"
)

// The status with which Traefik ends a request that was not sent in time.
const statusClientClosedRequest = 499

type refusal struct {
	status     int
	code       string
	detail     string
	retryAfter string
}

var (
	malformed = refusal{http.StatusBadRequest, "malformed_body",
		"Send one JSON object without duplicate names, as application/json in UTF-8.", ""}
	badRequest = refusal{http.StatusBadRequest, "bad_request", "The request was refused.", ""}
	failed     = refusal{http.StatusInternalServerError, "internal_error",
		"Something went wrong on our side.", ""}
	unavailable = refusal{http.StatusServiceUnavailable, "unavailable",
		"The service is temporarily unavailable. Try again in a few seconds.", "2"}
)

// The code and the sentence of each are those of the services, where they have the same refusal.
var byStatus = map[int]refusal{
	http.StatusNotFound: {http.StatusNotFound, "not_found",
		"There is nothing at this address.", ""},
	http.StatusMethodNotAllowed: {http.StatusMethodNotAllowed, "method_not_allowed",
		"This address does not support that method.", ""},
	statusClientClosedRequest: {http.StatusRequestTimeout, "request_timeout",
		"The request did not arrive in time.", ""},
	http.StatusRequestEntityTooLarge: {http.StatusRequestEntityTooLarge, "body_too_large",
		"The request body is too large.", ""},
	http.StatusTooManyRequests: {http.StatusTooManyRequests, "too_many_requests",
		"Too many requests. Try again later.", "1"},
	http.StatusBadGateway:         unavailable,
	http.StatusServiceUnavailable: unavailable,
	http.StatusGatewayTimeout: {http.StatusGatewayTimeout, "gateway_timeout",
		"The service did not answer in time. It may have carried out the request.", ""},
}

var corsHeaders = []string{
	"Access-Control-Allow-Credentials",
	"Access-Control-Allow-Headers",
	"Access-Control-Allow-Methods",
	"Access-Control-Expose-Headers",
	"Access-Control-Max-Age",
}

// Config has no options. Traefik asks for the type.
type Config struct{}

// CreateConfig is called by Traefik.
func CreateConfig() *Config { return &Config{} }

// New is called by Traefik for each router.
func New(_ context.Context, next http.Handler, _ *Config, _ string) (http.Handler, error) {
	return &handler{next}, nil
}

type handler struct{ next http.Handler }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &answer{w: w}
	if r.ContentLength < 0 {
		// Only a body in chunks can be malformed.
		answer.body = &body{from: r.Body}
		r.Body = answer.body
	}
	h.next.ServeHTTP(answer, r)
}

// body notes whether reading it failed.
type body struct {
	from   io.ReadCloser
	failed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.failed = b.failed || (err != nil && err != io.EOF)
	return n, err
}

func (b *body) Close() error { return b.from.Close() }

type answer struct {
	w        http.ResponseWriter
	body     *body
	replaced bool
}

func (a *answer) Header() http.Header { return a.w.Header() }

func (a *answer) WriteHeader(status int) {
	header := a.w.Header()
	if header.Get("Access-Control-Allow-Origin") == "" {
		// Traefik sends the other headers of CORS to origins that are not allowed, too.
		for _, name := range corsHeaders {
			header.Del(name)
		}
	}
	switch {
	case a.replaced:
	case status < http.StatusBadRequest || header.Get("X-Request-Id") != "":
		a.w.WriteHeader(status)
	default:
		a.refuse(a.refusal(status))
	}
}

func (a *answer) refusal(status int) refusal {
	if known, ok := byStatus[status]; ok {
		return known
	}
	if a.body != nil && a.body.failed {
		return malformed
	}
	if status < http.StatusInternalServerError {
		return badRequest
	}
	return failed
}

func (a *answer) refuse(with refusal) {
	a.replaced = true
	// Codes and sentences have no character that JSON escapes.
	content := []byte(`{"detail": "` + with.detail + `", "code": "` + with.code + `"}`)
	header := a.w.Header()
	header.Del("X-Retry-In")
	if with.retryAfter != "" && header.Get("Retry-After") == "" {
		header.Set("Retry-After", with.retryAfter)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(content)))
	a.w.WriteHeader(with.status)
	a.w.Write(content)
}

func (a *answer) Write(content []byte) (int, error) {
	if a.replaced {
		return len(content), nil
	}
	return a.w.Write(content)
}

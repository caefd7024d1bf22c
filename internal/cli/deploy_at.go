package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// tokenVariable is the environment variable that holds what is shown to a controller.
const tokenVariable = "FAIRLEAD_TOKEN" //nolint:gosec // its name, not its value

// mostProgress bounds one line of an answer.
const mostProgress = 1 << 20

// runAt asks a controller, and nobody else.
func (o *deployOptions) runAt(ctx context.Context, w IO, token string) error {
	server := strings.TrimSuffix(cmp.Or(o.server, w.Getenv("FAIRLEAD_SERVER")), "/")
	u, err := url.Parse(server)
	switch {
	case server == "":
		return usagef("%s is shown to a controller: say with --server, or FAIRLEAD_SERVER, where it is", tokenVariable)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return usagef("--server %s: want an address such as https://fairlead.example.com", server)
	case o.namespace == "":
		return usagef("with %s, say with --namespace where the environment is", tokenVariable)
	}
	if err := keepsSecret(u, nil); err != nil {
		return err
	}
	if o.wait && o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		defer cancel()
	}
	body, err := json.Marshal(map[string]any{"request": time.Now().UTC().Format(time.RFC3339Nano), "commit": o.commit, "wait": o.wait})
	if err != nil {
		return err
	}
	a := petition{
		to: server + "/api/v1/deploy/" + url.PathEscape(o.namespace) + "/" + url.PathEscape(o.environment), token: token, body: body,
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if !o.wait {
		err := a.once(ctx, func(controller.Progress) (bool, error) { return true, nil })
		if err == nil {
			_, err = fmt.Fprintf(w.Out, "asked for %s in environment %s\n", o.commit[:8], o.environment)
		}
		return err
	}
	d := deploying{commit: o.commit, out: newTeller(w), apps: map[string]string{}}
	var result error
	err = a.until(ctx, func(p controller.Progress) (done bool, err error) {
		d.branch = p.Branch
		done, result = d.look(p)
		return done, d.out.err
	})
	return cmp.Or(d.late(err, o.timeout), result)
}

// petition is one request to a controller, which is the same however often it is made.
type petition struct {
	to, token string
	body      []byte
	client    *http.Client
}

// errBroken says that an answer ended before what it tells of has.
var errBroken = errors.New("the answer broke off")

// until asks until it has heard of the end. Once the controller has taken the request, that it cannot be reached for a while does not end anything.
func (a petition) until(ctx context.Context, heard func(controller.Progress) (bool, error)) error {
	taken := false
	for {
		err := a.once(ctx, func(p controller.Progress) (bool, error) {
			taken = true
			return heard(p)
		})
		var refused refusedError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil || errors.As(err, &refused) && !refused.passes || !taken && !errors.As(err, &refused):
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(again):
		}
	}
}

// refusedError is an answer that is none.
type refusedError struct {
	text   string
	passes bool // to ask again may help
}

func (e refusedError) Error() string { return e.text }

// once makes the request, and tells of each line of the answer until heard has heard enough.
func (a petition) once(ctx context.Context, heard func(controller.Progress) (bool, error)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.to, bytes.NewReader(a.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(preview.TokenHeader, a.token)
	res, err := a.client.Do(req)
	var at *url.Error
	if errors.As(err, &at) {
		return fmt.Errorf("the controller at %s cannot be asked: %w: does it run, and is --server, or FAIRLEAD_SERVER, its address?", req.URL.Host, at.Err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(io.LimitReader(res.Body, 4000))
		text := cmp.Or(strings.TrimSpace(string(data)), http.StatusText(res.StatusCode))
		if res.StatusCode == http.StatusNotFound {
			text = "nothing is deployed at this address: is it a controller of Fairlead, and not an older one?"
		}
		return refusedError{text: a.to + ": " + text, passes: res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests}
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, mostProgress)
	for lines.Scan() {
		var p controller.Progress
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return refusedError{text: a.to + ": this is not how a controller of Fairlead answers"}
		}
		if done, err := heard(p); done || err != nil {
			return err
		}
	}
	return cmp.Or(lines.Err(), errBroken)
}

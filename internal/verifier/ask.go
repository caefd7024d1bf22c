package verifier

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// get asks a URL once.
func (v *Verifier) get(ctx context.Context, r *run, to, secret string) verify.Answer {
	c, err := v.credentials(ctx, r, secret)
	if err != nil {
		return verify.Answer{Unasked: err.Error()}
	}
	req, err := request(ctx, http.MethodGet, to, http.NoBody, c)
	if err != nil {
		return verify.Answer{Unasked: "the URL is not valid"}
	}
	return send(v.direct(c), req)
}

// http asks what an app serves.
func (v *Verifier) http(ctx context.Context, r *run, t verify.Trial) verify.Observation {
	h := t.HTTP
	if h.URL != "" {
		ctx, cancel := context.WithTimeout(ctx, t.Pace.Timeout)
		defer cancel()
		return t.OfHTTP(v.get(ctx, r, h.URL, h.Secret))
	}
	x, err := v.reaches.of(r.Identity)
	if err != nil {
		return t.OfHTTP(verify.Answer{Unasked: err.Error()})
	}
	ask := func(kind, name string) verify.Answer {
		ctx, cancel := context.WithTimeout(ctx, t.Pace.Timeout)
		defer cancel()
		return x.proxied(ctx, kind, h.Target.Namespace, name, h.Target.Port, h.Target.Scheme, h.Path)
	}
	if h.Target.Service != "" {
		return t.OfHTTP(ask("services", h.Target.Service))
	}
	names, err := x.readyPods(ctx, h.Target, t.Pace.Timeout)
	if err != nil {
		return t.OfHTTP(verify.Answer{Unasked: err.Error()})
	}
	var answers []verify.Answer
	for _, name := range names {
		a := ask("pods", name)
		a.From = "Pod " + name
		answers = append(answers, a)
		if ctx.Err() != nil {
			break
		}
	}
	return t.OfHTTP(answers...)
}

// metricRun is a metric that is asked again and again.
type metricRun struct {
	*run
	trial verify.Trial
	asked bool // what it was before the release is known
	was   verify.Values
}

// metric asks a Prometheus.
func (v *Verifier) metric(ctx context.Context, m *metricRun) verify.Observation {
	unsure := func(why string) verify.Observation {
		return verify.Observation{Says: verify.Unsure, What: "cannot be asked: " + why}
	}
	if m.trial.Compares() && !m.asked && !m.Before.IsZero() {
		was, why := v.query(ctx, m, m.Before)
		if why != "" {
			return unsure(why)
		}
		m.was, m.asked = was, true
	}
	now, why := v.query(ctx, m, time.Time{})
	if why != "" {
		return unsure(why)
	}
	return m.trial.OfMetric(now, m.was)
}

// query asks for what a metric was at a time; zero is now. It returns why it could not be asked.
func (v *Verifier) query(ctx context.Context, m *metricRun, at time.Time) (verify.Values, string) {
	ctx, cancel := context.WithTimeout(ctx, m.trial.Pace.Timeout)
	defer cancel()
	what := url.Values{"query": {m.trial.Metric.Query}}
	if !at.IsZero() {
		what.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	}
	var a verify.Answer
	if to := m.trial.Metric; to.URL != "" {
		a = v.get(ctx, m.run, strings.TrimSuffix(to.URL, "/")+"/api/v1/query?"+what.Encode(), to.Secret)
	} else {
		x, err := v.reaches.of(m.Identity)
		if err != nil {
			return nil, err.Error()
		}
		a = x.proxied(ctx, "services", to.Target.Namespace, to.Target.Service, to.Target.Port, to.Target.Scheme, "/api/v1/query?"+what.Encode())
	}
	return verify.ReadPrometheus(a)
}

// webhook asks somebody else.
func (v *Verifier) webhook(ctx context.Context, r *run, t verify.Trial) verify.Observation {
	ctx, cancel := context.WithTimeout(ctx, t.Pace.Timeout)
	defer cancel()
	c, err := v.credentials(ctx, r, t.Webhook.Secret)
	if err != nil {
		return t.OfWebhook(verify.Answer{Unasked: err.Error()})
	}
	body, err := json.Marshal(map[string]any{
		"app": r.App.App, "environment": r.App.Environment, "namespace": r.App.Namespace, "destination": r.Namespace, "serial": r.Serial, "revision": r.Revision,
	})
	if err != nil {
		return t.OfWebhook(verify.Answer{Unasked: err.Error()})
	}
	req, err := request(ctx, http.MethodPost, t.Webhook.URL, bytes.NewReader(body), c)
	if err != nil {
		return t.OfWebhook(verify.Answer{Unasked: "the URL is not valid"})
	}
	req.Header.Set("Content-Type", "application/json")
	if c.hmacKey != "" {
		mac := hmac.New(sha256.New, []byte(c.hmacKey))
		mac.Write(body)
		req.Header.Set("X-Fairlead-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return t.OfWebhook(send(v.direct(c), req))
}

// mostObjects bounds how many objects one trial reads.
const mostObjects = 50

// objects looks at live objects of the app.
func (v *Verifier) objects(ctx context.Context, r *run, t verify.Trial) verify.Observation {
	ctx, cancel := context.WithTimeout(ctx, t.Pace.Timeout)
	defer cancel()
	unsure := func(err error) verify.Observation {
		return verify.Observation{Says: verify.Unsure, What: "cannot be asked: " + err.Error()}
	}
	x, err := v.reaches.of(r.Identity)
	if err != nil {
		return unsure(err)
	}
	var wanted []object.Object
	for _, o := range r.Objects {
		if isOf(o, t) {
			wanted = append(wanted, o)
		}
	}
	if len(wanted) > mostObjects {
		return unsure(fmt.Errorf("the app has %d objects of kind %s, of at most %d are looked at: name one", len(wanted), t.CEL.Kind, mostObjects))
	}
	slices.SortFunc(wanted, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	var live []object.Object
	for _, o := range wanted {
		res, err := v.Kinds.Find(ctx, o.GVK())
		if err != nil {
			return unsure(err)
		}
		now, err := x.live(ctx, res, cmp.Or(o.Namespace(), r.Namespace), o.Name())
		if err != nil {
			return unsure(err)
		}
		live = append(live, now)
	}
	return t.OfObjects(live)
}

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/preview"
)

// asker asks a controller for plans.
type asker struct {
	config *rest.Config // nil with a key
	key    []byte       // signs requests; nil: a token is shown instead
	base   string       // of the controller's API, without a slash at the end
	direct bool         // base is the controller, and not the API server before it
	client *http.Client
}

// patience is how long a plan may take.
const planPatience = 3 * time.Minute

// planTokenVariable is the environment variable that holds what signs requests.
const planTokenVariable = "FAIRLEAD_PLAN_TOKEN" //nolint:gosec // its name, not its value

func (o *planOptions) asker(w IO) (asker, error) {
	a := asker{client: &http.Client{Timeout: planPatience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if key := strings.TrimSpace(w.Getenv(planTokenVariable)); key != "" {
		if o.server == "" {
			return a, usagef("%s signs requests to a controller: say with --server, or FAIRLEAD_SERVER, where it is", planTokenVariable)
		}
		a.key = []byte(key)
	} else {
		config, err := o.config(w)
		if err != nil {
			return a, err
		}
		a.config = config
	}
	if o.server != "" {
		u, err := url.Parse(o.server)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return a, usagef("--server %s: want an address such as https://fairlead.example.com", o.server)
		}
		a.base, a.direct = strings.TrimSuffix(o.server, "/"), true
		return a, nil
	}
	host, _, err := rest.DefaultServerUrlFor(a.config)
	if err != nil {
		return a, err
	}
	a.base = strings.TrimSuffix(host.String(), "/") + "/api/v1/namespaces/" + url.PathEscape(o.system) + "/services/http:fairlead:http/proxy"
	through := rest.CopyConfig(a.config)
	through.Timeout = planPatience
	a.client, err = rest.HTTPClientFor(through)
	return a, err
}

// ask sends one request.
func (a asker) ask(ctx context.Context, x want) (preview.Reply, error) {
	var reply preview.Reply
	body, err := json.Marshal(x.Request)
	if err != nil {
		return reply, err
	}
	if len(body) > preview.MostRequest {
		return reply, fmt.Errorf("what is rendered here is %d MiB, more than the %d MiB that a request may have: plan one app, or a commit with --to", len(body)>>20, preview.MostRequest>>20)
	}
	to := a.base + "/api/v1/plan/" + url.PathEscape(x.Namespace) + "/" + url.PathEscape(x.Environment)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return reply, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.key != nil {
		req.Header.Set(preview.Header, preview.Sign(a.key, body, time.Now()))
	} else {
		token, err := a.token(ctx, x)
		if err != nil {
			return reply, err
		}
		req.Header.Set(preview.TokenHeader, token)
	}
	if err := keepsSecret(req.URL, a.key); err != nil {
		return reply, err
	}
	res, err := a.client.Do(req)
	var at *url.Error
	switch {
	case a.direct && ctx.Err() == nil && errors.As(err, &at): // in other words than those for an API server that cannot be reached
		return reply, fmt.Errorf("the controller at %s cannot be asked: %w: does it run, and is --server, or FAIRLEAD_SERVER, its address?", a.base, at.Err)
	case err != nil:
		return reply, fmt.Errorf("ask the controller for a plan: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, 2*preview.MostReply))
	switch {
	case err != nil:
		return reply, fmt.Errorf("read the plan: %w", err)
	case res.StatusCode != http.StatusOK:
		return reply, refusal(res.StatusCode, to, data)
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return reply, fmt.Errorf("read the plan: %w: is %s a controller of Fairlead?", err, a.base)
	}
	return reply, nil
}

// keepsSecret refuses to show a token to whoever listens. A signature may be seen: it is good for one body, and not for long.
func keepsSecret(to *url.URL, key []byte) error {
	ip := net.ParseIP(to.Hostname())
	if key != nil || to.Scheme == "https" || to.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not encrypted, and a token would be shown to everybody on the way: use https, or kubectl port-forward", to.Host)
}

// token asks the API server for a token of the environment's ServiceAccount that is good for plans, and for nothing else.
func (a asker) token(ctx context.Context, x want) (string, error) {
	kube, err := typed.NewForConfig(a.config)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	lasts := int64(600)
	out, err := kube.ServiceAccounts(x.Namespace).CreateToken(ctx, x.serviceAccount, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{preview.Audience}, ExpirationSeconds: &lasts},
	}, metav1.CreateOptions{})
	if apierrors.IsForbidden(err) {
		return "", fmt.Errorf("ask for a token of ServiceAccount %s/%s: %w: who plans needs the right to create serviceaccounts/token there, or $%s", x.Namespace, x.serviceAccount, err, planTokenVariable)
	}
	if err != nil {
		return "", fmt.Errorf("ask for a token of ServiceAccount %s/%s: %w", x.Namespace, x.serviceAccount, err)
	}
	return out.Status.Token, nil
}

// refusal is the error of an answer that is no plan. The API server answers in its own words if it cannot reach the controller.
func refusal(status int, to string, data []byte) error {
	var of metav1.Status
	text := strings.TrimSpace(string(data))
	if json.Unmarshal(data, &of) == nil && of.Message != "" {
		return fmt.Errorf("the API server cannot ask the controller: %s: is Fairlead installed in the cluster, and in the namespace that --fairlead-namespace says? A controller that runs outside is asked with --server http://localhost:8080", of.Message)
	}
	if len(text) > 2000 {
		text = text[:2000] + "…"
	}
	if status == http.StatusNotFound {
		return fmt.Errorf("%s: there are no plans at this address: is it a controller of Fairlead, and not an older one?", to)
	}
	if text == "" {
		text = http.StatusText(status)
	}
	return fmt.Errorf("no plan: %s", text)
}

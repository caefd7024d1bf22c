package cluster

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/block"
)

// Cluster is one API server. It is safe for concurrent use.
type Cluster struct {
	Kinds  *Kinds
	server Server
	own    dynamic.Interface // with Fairlead's own rights

	mu       sync.Mutex
	sessions map[app.Identity]*Session
}

// Server is how an API server is reached.
type Server struct {
	Discovery Discovery
	// As returns a client that acts as a user; empty is Fairlead itself.
	As func(user string) (dynamic.Interface, error)
	// Version asks which Kubernetes it is.
	Version func() (string, error)
	// Now is the clock by which discovery is repeated; nil is the machine's.
	Now func() time.Time
}

// Open prepares to talk to the API server of config. It sends nothing yet.
func Open(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the server's priority and fairness protects it better than a limiter here
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare discovery: %w", err)
	}
	version := func() (string, error) {
		v, err := client.ServerVersion()
		if err != nil {
			return "", err
		}
		return v.GitVersion, nil
	}
	return New(Server{Discovery: client, Version: version, As: func(user string) (dynamic.Interface, error) {
		return dynamic.NewForConfig(Acting(config, user))
	}})
}

// Acting returns a configuration whose requests act as a user; empty is Fairlead itself.
func Acting(config *rest.Config, user string) *rest.Config {
	config = rest.CopyConfig(config)
	if user != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Extra: map[string][]string{block.ExtraKey: {block.ExtraValue}}}
	}
	return config
}

// New prepares to talk to a server. It sends nothing yet.
func New(s Server) (*Cluster, error) {
	own, err := s.As("")
	if err != nil {
		return nil, fmt.Errorf("prepare client: %w", err)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	kinds := &Kinds{client: s.Discovery, version: s.Version, now: s.Now, stale: true}
	return &Cluster{Kinds: kinds, server: s, own: own, sessions: map[app.Identity]*Session{}}, nil
}

// As returns the session that acts as id. Sessions are kept: asking again costs nothing.
func (c *Cluster) As(id app.Identity) (*Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[id]; s != nil {
		return s, nil
	}
	client, err := c.server.As(id.User())
	if err != nil {
		return nil, fmt.Errorf("impersonate %s: %w", id.User(), err)
	}
	s := &Session{ID: id, cluster: c, client: client}
	c.sessions[id] = s
	return s, nil
}

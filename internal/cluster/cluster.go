package cluster

import (
	"fmt"
	"sync"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// Cluster is one API server. It is safe for concurrent use.
type Cluster struct {
	Kinds  *Kinds
	config *rest.Config
	own    dynamic.Interface // with Fairlead's own rights

	mu       sync.Mutex
	sessions map[app.Identity]*Session
}

// Open prepares to talk to the API server of config. It sends nothing yet.
func Open(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the server's priority and fairness protects it better than a limiter here
	kinds, err := newKinds(config)
	if err != nil {
		return nil, err
	}
	own, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare client: %w", err)
	}
	return &Cluster{Kinds: kinds, config: config, own: own, sessions: map[app.Identity]*Session{}}, nil
}

// As returns the session that acts as id. Sessions are kept: asking again costs nothing.
func (c *Cluster) As(id app.Identity) (*Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[id]; s != nil {
		return s, nil
	}
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: id.User()}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("impersonate %s: %w", id.User(), err)
	}
	s := &Session{ID: id, cluster: c, client: client}
	c.sessions[id] = s
	return s, nil
}

package git

import (
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead-cd/fairlead/internal/git/odb"
)

// Options are the bounds of a mirror. A zero field stands for its default.
type Options struct {
	Timeout time.Duration // of a Resolve or Fetch whose context has no deadline: 2 minutes
	MaxPack int64         // bytes of one pack: 4 GiB
	MaxRefs int64         // bytes of one list of refs: 64 MiB
	Read    odb.Limits    // of what snapshots read

	// Proxy chooses a proxy for HTTP, as http.Transport has it; nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// SSH is the program that reaches servers by SSH, as $GIT_SSH_COMMAND has it, with what it knows itself instead of an Auth; empty: none is run.
	SSH string
	// OnRequest is called before each request to the server: "info/refs", "ls-refs", "fetch" or "push".
	OnRequest func(kind string)
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.MaxPack == 0 {
		o.MaxPack = 4 << 30
	}
	if o.MaxRefs == 0 {
		o.MaxRefs = 64 << 20
	}
	if o.OnRequest == nil {
		o.OnRequest = func(string) {}
	}
	return o
}

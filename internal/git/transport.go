package git

import (
	"context"
	"io"

	"github.com/fairlead-cd/fairlead/internal/git/wire"
)

// The kinds of request, as Options.OnRequest is told.
const (
	requestInfo  = "info/refs"
	requestRefs  = "ls-refs"
	requestFetch = "fetch"
	requestPush  = "push"
)

// service is what is asked of a server, and how errors speak of it.
type service struct {
	name string
	may  string // what who asks may perhaps not
}

var (
	upload  = service{name: "git-upload-pack", may: "read"}
	receive = service{name: "git-receive-pack", may: "write to"}
)

// transport reaches one service of one repository.
type transport interface {
	// dial starts an exchange and reads what the server says of itself.
	dial(ctx context.Context, auth Auth) (session, error)
	// forget drops what is remembered of the server.
	forget()
	// close ends idle connections.
	close()
}

// session is one exchange. It is not safe for concurrent use.
type session interface {
	// advert is what the server said. Refs are in it in versions 0 and 1 only.
	advert() wire.Advert
	// ask sends one request. The answer must be closed before the next.
	ask(ctx context.Context, kind string, request []byte) (io.ReadCloser, error)
	close()
}

package git

import (
	"context"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

type sshTransport struct{}

func newSSH(address, string, Options) *sshTransport { return &sshTransport{} }

func (*sshTransport) forget() {}

func (*sshTransport) dial(context.Context, Auth) (session, error) {
	return nil, fault.Newf(fault.Invalid, "ssh is not built yet")
}

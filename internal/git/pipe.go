package git

import (
	"io"

	"github.com/fairlead-cd/fairlead/internal/git/wire"
)

// pipe is one run of a service, which is asked on its input and answers on its output, as SSH carries them.
type pipe struct {
	in    io.WriteCloser
	out   io.Reader
	errs  tail
	said  wire.Advert
	asked bool
}

func (p *pipe) advert() wire.Advert { return p.said }

// hear reads what the service says first.
func (p *pipe) hear(o Options) (err error) {
	body := wire.Bound(p.out, o.MaxRefs, tooLarge("list of refs", o.MaxRefs))
	p.said, err = wire.ReadAdvert(wire.NewReader(body))
	return err
}

// send writes a request. The answer of version 2 ends with a flush, so its reader must not be read further.
func (p *pipe) send(o Options, kind string, request []byte) (io.ReadCloser, error) {
	p.asked = true
	o.OnRequest(kind)
	if _, err := p.in.Write(request); err != nil {
		return nil, err
	}
	return io.NopCloser(p.out), nil
}

// part is a polite end.
func (p *pipe) part() {
	if p.in != nil && (p.said.Version == 2 || !p.asked) {
		_, _ = io.WriteString(p.in, "0000")
	}
}

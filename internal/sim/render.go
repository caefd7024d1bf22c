package sim

import (
	"slices"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// renders are of func() rendered, by rendering: the runs of a story render the same again and again, and what a render gives never changes.
var renders sync.Map

// rendering is all that a render depends on: what is in a tree, and where in it.
type rendering struct {
	tree   source.ID
	dir    string
	place  render.Place
	rules  string
	limits render.Limits
}

type rendered struct {
	result render.Result
	err    error
	asks   bool // it is not the whole of what the render depends on
}

// nobody answers nothing.
type nobody struct{ asked bool }

// Ask implements render.Outside.
func (n *nobody) Ask(q render.Question) (render.Answer, error) {
	n.asked = true
	return render.Answer{}, fault.Newf(fault.Internal, "nobody answers %s", q)
}

// render renders an app, or remembers what it rendered to in another run. While files cannot be read, it reads them; and so does the run that others are
// compared with: what the engine itself remembers from one render to the next is put to use there.
func (p *process) render(req render.Request) (render.Result, error) {
	w := p.world
	t, ok := req.Tree.(tree)
	if !ok || w.schedule.reference || w.now.Before(w.torn) {
		return render.Render(req)
	}
	id, err := t.Tree.ID(".")
	if err != nil {
		return render.Render(req)
	}
	f, _ := renders.LoadOrStore(rendering{id, req.Dir, req.Place, req.Rules.ID(), req.Limits}, sync.OnceValue(func() rendered {
		nobody := &nobody{}
		result, err := render.Render(render.Request{Tree: t.Tree, Dir: req.Dir, Place: req.Place, Rules: req.Rules, Limits: req.Limits, Outside: nobody})
		return rendered{result, err, nobody.asked}
	}))
	once, _ := f.(func() rendered)
	r := once()
	if r.asks {
		return render.Render(req)
	}
	r.result.Objects = slices.Clone(r.result.Objects) // each has a list of its own
	return r.result, r.err
}

package lookout

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// Asking is what one render asks: a render.Outside. It sees one world, and is for one app and one time.
type Asking struct {
	ctx    context.Context
	l      *Lookout
	by     app.Identity
	beyond func(context.Context, render.Question) (render.Answer, error)

	mu      sync.Mutex
	got     map[render.Question]found
	trouble error
}

var _ render.Outside = (*Asking)(nil)

// For returns what a render asks as an identity. Beyond answers what is not in the cluster; nil: nobody does.
func (l *Lookout) For(ctx context.Context, by app.Identity, beyond func(context.Context, render.Question) (render.Answer, error)) *Asking {
	return &Asking{ctx: ctx, l: l, by: by, beyond: beyond, got: map[render.Question]found{}}
}

// Ask implements render.Outside.
func (a *Asking) Ask(q render.Question) (render.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f, ok := a.got[q]; ok {
		return f.answer, nil
	}
	f, known := a.l.known(a.matter(q))
	if !known {
		var err error
		if f, err = a.ask(q); err != nil {
			a.trouble = err
			return render.Answer{}, err
		}
	}
	a.got[q] = f
	return f.answer, nil
}

// Trouble is why a question was not answered; nil if all were.
func (a *Asking) Trouble() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trouble
}

func (a *Asking) found(q render.Question) (found, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.got[q]
	if q.About == render.AboutChart || q.About == render.AboutBase || q.About == render.AboutSeed {
		f.answer = render.Answer{} // who fetched the files, or drew the seed, keeps them
	}
	return f, ok
}

func (a *Asking) matter(q render.Question) matter {
	if q.About == render.AboutObject || q.About == render.AboutSetting || q.About == render.AboutObjects {
		return matter{a.by, q}
	}
	return matter{q: q}
}

func (a *Asking) ask(q render.Question) (found, error) {
	f := found{at: a.l.o.Now()} // before it is read
	var err error
	switch q.About {
	case render.AboutObject, render.AboutSetting, render.AboutObjects:
		err = a.objects(q, &f)
	case render.AboutCluster:
		f.answer, err = a.cluster()
	case render.AboutChart, render.AboutBase, render.AboutKey, render.AboutSeed:
		if a.beyond == nil {
			return f, fault.Newf(fault.Invalid, "%s cannot be had here", q)
		}
		f.answer, err = a.beyond(a.ctx, q)
	default:
		return f, fault.Newf(fault.Internal, "nobody answers questions about %q", string(q.About))
	}
	return f, err
}

// objects reads what is asked for.
func (a *Asking) objects(q render.Question, f *found) error {
	r, err := a.l.o.Kinds.Find(a.ctx, q.GVK)
	if err != nil {
		return fmt.Errorf("read %s: %w", q, err)
	}
	s, err := a.l.o.Connect(a.by)
	if err != nil {
		return err
	}
	f.view = View{By: a.by, Resource: r, Namespace: q.Namespace, Name: q.Name}
	if !r.Namespaced {
		f.view.Namespace = ""
	}
	var objs []object.Object
	if q.About == render.AboutObjects {
		objs, err = s.List(a.ctx, r, f.view.Namespace)
	} else {
		if q.Name == "" || r.Namespaced && q.Namespace == "" {
			return fault.Newf(fault.Invalid, "%s is asked for without a name or a namespace", q)
		}
		var o object.Object
		if o, err = s.Look(a.ctx, r, f.view.Namespace, q.Name); err == nil && !o.IsZero() {
			objs = []object.Object{o}
		}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", q, err)
	}
	f.versions = map[object.Key]string{}
	for _, o := range objs {
		f.versions[o.Key()] = o.ResourceVersion()
	}
	if q.Label != "" { // here, and not by the API server: the watch is of all of them
		objs = slices.DeleteFunc(slices.Clone(objs), func(o object.Object) bool { return o.Label(q.Label) == "" })
	}
	f.answer = answer(objs)
	return nil
}

// answer makes an answer of objects as they were read. What changes with every write, or says who made it, is no part of it.
func answer(objs []object.Object) render.Answer {
	if len(objs) == 0 {
		return render.Answer{ID: render.Nothing}
	}
	objs = slices.Clone(objs)
	for i, o := range objs {
		objs[i] = plain(o)
	}
	slices.SortFunc(objs, func(a, b object.Object) int {
		return cmp.Or(a.Key().Compare(b.Key()), strings.Compare(a.UID(), b.UID()))
	})
	var text strings.Builder
	for _, o := range objs {
		text.WriteString(o.Hash())
		text.WriteByte('\n')
	}
	return render.Answer{ID: idOf(text.String()), Objects: objs}
}

func plain(o object.Object) object.Object {
	content := maps.Clone(o.Content())
	meta, _ := content["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	delete(meta, "managedFields")
	delete(meta, "resourceVersion")
	delete(meta, "generation")
	content["metadata"] = meta
	return object.New(content)
}

func (a *Asking) cluster() (render.Answer, error) {
	version, apis, err := a.l.o.Kinds.Served(a.ctx)
	if err != nil {
		return render.Answer{}, err
	}
	return render.Answer{ID: idOf(version + "\n" + strings.Join(apis, "\n")), Cluster: render.Cluster{Version: version, APIs: apis}}, nil
}

func idOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

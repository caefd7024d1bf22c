package render

import (
	"cmp"
	"fmt"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/restart"
)

// Complete does to objects, which were rendered elsewhere by [Rules.Elsewhere], what could not be done there, as a render by the request would: it puts in the values
// of variables, and notes in workloads what they read.
func Complete(req Request, objs []object.Object) ([]object.Object, error) {
	r := &renderer{at: req.Place, rules: req.Rules, outside: &asker{outside: req.Outside}}
	var err error
	if req.Rules.asks() {
		if objs, err = r.substitute(objs); err != nil {
			return nil, r.conceal(err)
		}
		objs = r.veiled(objs)
	}
	out, err := r.restarts(objs)
	return out, r.conceal(err)
}

// Elsewhere are the rules for who cannot ask for what variables are, and leaves all of them to [Complete].
func (r Rules) Elsewhere() Rules {
	if r.asks() {
		r.Substitute = nil
	}
	return r
}

// asks reports whether it takes objects of the cluster to know what variables are.
func (r Rules) asks() bool { return r.Substitute != nil && len(r.Substitute.From) > 0 }

// restarts notes in the pod templates of workloads what they read. Of what the app does not have itself, the cluster is asked.
func (r *renderer) restarts(objs []object.Object) ([]object.Object, error) {
	if r.rules.Restart == restart.None || r.outside.outside == nil {
		return objs, nil
	}
	var own map[object.Key]object.Object
	var key []byte
	var out []object.Object
	for i, o := range objs {
		refs := restart.References(o, r.rules.Restart, r.at.Namespace)
		if len(refs) == 0 {
			continue
		}
		if own == nil {
			answer, err := r.outside.ask(Question{About: AboutKey})
			if err != nil {
				return nil, err
			}
			key, own, out = answer.Key, r.settings(objs), append([]object.Object(nil), objs...)
		}
		settings, err := r.lookUp(own, refs)
		if err != nil {
			return nil, fmt.Errorf("%s: %s reads it: %w", o.Origin(), o, err)
		}
		if len(settings) > 0 {
			where := o.Key() // not the app: an object goes from one to another without a restart
			where.Namespace = cmp.Or(where.Namespace, r.at.Namespace)
			out[i] = restart.Mark(o, restart.Hash(key, fmt.Sprintf("%s/%s %s", r.at.Home, r.at.Environment, where), settings))
		}
	}
	if out == nil {
		return objs, nil
	}
	return out, nil
}

// settings are the ConfigMaps and Secrets among objects, in their namespaces.
func (r *renderer) settings(objs []object.Object) map[object.Key]object.Object {
	own := map[object.Key]object.Object{}
	for _, o := range objs {
		if k := o.Key(); k.Group == "" && (k.Kind == "ConfigMap" || k.Kind == "Secret") {
			if k.Namespace == "" {
				k.Namespace = r.at.Namespace
			}
			own[k] = o
		}
	}
	return own
}

// lookUp finds what references name. If the rules say so, nothing is known of what may not be read.
func (r *renderer) lookUp(own map[object.Key]object.Object, refs []restart.Reference) ([]restart.Setting, error) {
	var out []restart.Setting
	for _, ref := range refs {
		s := restart.Setting{Reference: ref}
		o, is := own[object.Key{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}]
		if mode := app.ApplyOf(o); !is || mode == app.ApplyOnce || mode == app.ApplyNever { // what Git says is not what is there
			answer, err := r.outside.ask(Question{About: AboutSetting, GVK: object.GVK{Version: "v1", Kind: ref.Kind}, Namespace: ref.Namespace, Name: ref.Name})
			if s.Unread = err != nil; s.Unread && (fault.KindOf(err) != fault.Denied || r.rules.Restart != restart.Readable) {
				return nil, err
			}
			if len(answer.Objects) > 0 {
				o = answer.Objects[0]
			}
		}
		if s.Object = o; ref.Counts(o) {
			out = append(out, s)
		}
	}
	return out, nil
}

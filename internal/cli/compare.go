package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// diffOptions are the flags of diff.
type diffOptions struct {
	target
	from, to, app string
	form          output
	exitCode      bool
}

func diffCommand(w IO) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff ENV1 ENV2 [APP]",
		Short: "Show how two environments differ",
		Long: `Shows which apps two environments have at which commits, and field by field how the objects of each app differ. Compared
is what Fairlead applied, as it is live; what the API server or other controllers added is left out. Of Secrets it is
shown that a value differs, never the value. The namespaces of the two environments count as the same.

APP is the name of an app as both environments have it, such as web.

The exit code is 0 if the difference could be shown. With --exit-code it is 1 if there is any.`,
		Example: `  fairlead diff staging production -n shop
  fairlead diff staging production web --exit-code`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return fmt.Errorf("say which two environments, and maybe an app: there are %d names", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.from, o.to = args[0], args[1]
			if len(args) > 2 {
				o.app = args[2]
			}
			return o.run(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.everywhereFlag(cmd)
	o.form.flag(cmd, "json", "yaml", "name")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "let the exit code tell the state")
	o.complete(cmd, w, kinds{envs: true})
	return cmd
}

func (o *diffOptions) run(ctx context.Context, w IO) error {
	s, err := o.open(w)
	if err != nil {
		return err
	}
	f, err := read(ctx, s.ours, s.namespace)
	if err != nil {
		return err
	}
	var sides [2]side
	for i, name := range []string{o.from, o.to} {
		if sides[i], err = s.side(ctx, f, name, o.app); err != nil {
			return err
		}
	}
	if o.app != "" && len(sides[0].apps)+len(sides[1].apps) == 0 {
		return fmt.Errorf("neither %s nor %s has an app %q", o.from, o.to, o.app)
	}
	all := compareSides(sides[0], sides[1])
	if err := o.show(w.Out, all); err != nil {
		return err
	}
	for _, s := range sides {
		if s.note != "" {
			_, _ = fmt.Fprintf(w.Err, "note: %s: %s\n", s.name, s.note)
		}
	}
	if o.exitCode && slices.ContainsFunc(all, appDifference.differs) {
		return outcome{code: codeFailed, err: fmt.Errorf("%s and %s differ", o.from, o.to), said: true}
	}
	return nil
}

// side is one of two environments: its apps, and what Fairlead applied of each.
type side struct {
	name string
	apps map[string]sideApp
	note string
}

type sideApp struct {
	app     v1alpha1.App
	place   string
	objects []object.Object
}

func (s *sight) side(ctx context.Context, f *fleet, name, only string) (side, error) {
	out := side{name: name, apps: map[string]sideApp{}}
	named, err := f.find(name, kinds{envs: true, apps: false, repos: false})
	if err != nil && len(f.others(name, kinds{envs: true})) > 0 {
		return out, fmt.Errorf("%w, and -A looks in all", err)
	}
	if err != nil {
		return out, err
	}
	if len(named.envs) > 1 {
		return out, fmt.Errorf("there are %d environments %q: choose one with --namespace", len(named.envs), name)
	}
	apps := keep(f.of(&named.envs[0]), func(a v1alpha1.App) bool { return only == "" || a.Spec.Name == only })
	if len(apps) == 0 {
		return out, nil
	}
	q := f.query(apps)
	q.Claims, q.Whole = true, true
	found, err := s.cluster.Find(ctx, q)
	if err != nil {
		return out, err
	}
	missed := 0
	for i := range apps {
		a := &apps[i]
		x := sideApp{app: *a, place: f.destination(a)}
		for _, o := range found.Objects {
			if kin.Claimant(o) == ownerOf(a) {
				x.objects = append(x.objects, fingerprint.Owned(o, app.Manager))
			}
		}
		missed += max(int(a.Status.Objects)-len(x.objects), 0)
		out.apps[a.Spec.Name] = x
	}
	if missed > 0 {
		out.note = plural(missed, "claimed object") + " cannot be seen"
		if len(found.Unseen) > 0 {
			out.note += ": you may not list " + strings.Join(found.Unseen, ", ")
		}
	}
	return out, nil
}

// appDifference is how an app differs between two environments.
type appDifference struct {
	App string `json:"app"`
	// From and To are the commits that are applied; empty where there is no such app.
	From    string             `json:"from"`
	To      string             `json:"to"`
	Objects []objectDifference `json:"objects"`
}

type objectDifference struct {
	Object string `json:"object"`
	// Only is the environment that has the object, empty if both have.
	Only    string        `json:"only,omitempty"`
	Changes []fieldChange `json:"changes,omitempty"`
}

type fieldChange struct {
	Path string `json:"path"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// differs says whether what runs differs. The same at another commit is the same.
func (d appDifference) differs() bool { return d.From == "" || d.To == "" || len(d.Objects) > 0 }

func compareSides(from, to side) []appDifference {
	names := map[string]bool{}
	for name := range from.apps {
		names[name] = true
	}
	for name := range to.apps {
		names[name] = true
	}
	var all []appDifference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, inFrom := from.apps[name]
		b, inTo := to.apps[name]
		d := appDifference{App: name, Objects: []objectDifference{}}
		if inFrom {
			d.From = cmp.Or(a.app.Status.Applied.Short, "none")
		}
		if inTo {
			d.To = cmp.Or(b.app.Status.Applied.Short, "none")
		}
		if inFrom && inTo {
			d.Objects = compareObjects(from.name, to.name, a.levelled(), b.levelled())
		}
		all = append(all, d)
	}
	return all
}

func compareObjects(from, to string, a, b map[object.Key]object.Object) []objectDifference {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	out := []objectDifference{}
	for _, k := range slices.SortedFunc(maps.Keys(keys), object.Key.Compare) {
		was, inA := a[k]
		is, inB := b[k]
		d := objectDifference{Object: k.String()}
		switch {
		case !inA:
			d.Only = to
		case !inB:
			d.Only = from
		default:
			for _, c := range diff.Between(was, is) {
				d.Changes = append(d.Changes, fieldChange(c))
			}
			if len(d.Changes) == 0 {
				continue
			}
		}
		out = append(out, d)
	}
	return out
}

// levelled are the objects of an app without what differs between any two environments: the owner mark, and the namespace that the environment gives.
func (s sideApp) levelled() map[object.Key]object.Object {
	out := map[object.Key]object.Object{}
	for _, o := range s.objects {
		o = o.With(nil, "metadata", "labels", app.LabelApp).With(nil, "metadata", "labels", app.LabelNamespace)
		if labels, _ := o.At("metadata", "labels").(map[string]any); len(labels) == 0 {
			o = o.With(nil, "metadata", "labels")
		}
		content, _ := level(o.Content(), s.place).(map[string]any)
		o = object.New(content)
		key := o.Key()
		if key.Namespace == levelNamespace {
			key.Namespace = ""
		}
		out[key] = o
	}
	return out
}

// levelNamespace stands for the namespace of each of two environments.
const levelNamespace = "{namespace}"

// level puts a placeholder where a value is the namespace, or a DNS name of a Service in it.
func level(v any, namespace string) any {
	switch v := v.(type) {
	case string:
		if v == namespace {
			return levelNamespace
		}
		for _, svc := range []string{"." + namespace + ".svc"} {
			v = strings.ReplaceAll(v, svc, "."+levelNamespace+".svc")
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = level(x, namespace)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = level(x, namespace)
		}
		return out
	}
	return v
}

func (o *diffOptions) show(out io.Writer, all []appDifference) error {
	switch o.form {
	case "json", "yaml":
		return o.form.print(out, map[string]any{"from": o.from, "to": o.to, "apps": all})
	case "name":
		for _, d := range all {
			if d.differs() {
				if _, err := fmt.Fprintln(out, d.App); err != nil {
					return err
				}
			}
		}
		return nil
	}
	_, err := io.WriteString(out, drawDifferences(o.from, o.to, all))
	return err
}

func drawDifferences(from, to string, all []appDifference) string {
	var b strings.Builder
	t := &table{header: []string{"APP", strings.ToUpper(from), strings.ToUpper(to), "DIFFERENCE"}}
	for _, d := range all {
		text := "none"
		switch {
		case d.From == "":
			text = "only in " + to
		case d.To == "":
			text = "only in " + from
		case len(d.Objects) > 0:
			text = plural(len(d.Objects), "object")
		}
		t.add(plain(d.App), plain(d.From), plain(d.To), plain(text))
	}
	_ = t.print(&b, style{})
	for _, d := range all {
		if len(d.Objects) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", d.App)
		for _, x := range d.Objects {
			if x.Only != "" {
				fmt.Fprintf(&b, "  %s: only in %s\n", x.Object, x.Only)
				continue
			}
			fmt.Fprintf(&b, "  %s\n", x.Object)
			for _, c := range x.Changes {
				fmt.Fprintf(&b, "    %s\n", diff.Change(c))
			}
		}
	}
	return b.String()
}

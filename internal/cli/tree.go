package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/kin/gather"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// treeOptions are the flags of tree.
type treeOptions struct {
	target
	names      []string
	form       output
	all, watch bool
}

func treeCommand(w IO) *cobra.Command {
	var o treeOptions
	cmd := &cobra.Command{
		Use:   "tree (APP | ENV)...",
		Short: "Show what an app runs: its objects, and what controllers made of them",
		Long: `Shows the objects that an app claims, and below each what controllers made of it, with health and age. What is below
what is told by owner references alone. Of an environment it shows all apps.

Old ReplicaSets that run nothing, and ControllerRevisions, are left out; --all shows them too. Health is judged as the
controller judges it, with the rules of the environment; rules in an app's fairlead.yaml count in the line of the app only.

It reads with your rights. What you may not list is named in a note on the error output. Of Secrets and ConfigMaps it reads
metadata alone.

` + namesHelp,
		Example: `  fairlead tree production/web -n shop
  fairlead tree production --watch
  fairlead tree production/web -o json`,
		Args: someNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return o.run(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.everywhereFlag(cmd)
	o.form.flag(cmd, "json", "yaml", "name")
	cmd.Flags().BoolVar(&o.all, "all", false, "also what is kept for a rollback alone")
	watchFlag(cmd, &o.watch)
	o.complete(cmd, w, kinds{envs: true, apps: true})
	return cmd
}

// someNames is the check of commands that take one name or more.
func someNames(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("say what: a name is missing")
	}
	return nil
}

func (o *treeOptions) run(ctx context.Context, w IO) error {
	if err := textOnly(o.watch, o.form); err != nil {
		return err
	}
	s, err := o.open(w)
	if err != nil {
		return err
	}
	if o.watch {
		return follow(ctx, w, func(ctx context.Context) (view, error) {
			all, found, err := o.look(ctx, s)
			if err != nil {
				return view{}, err
			}
			return view{
				draw:    func(out io.Writer) error { return o.show(w, out, all, found) },
				states:  statesOf(all),
				changed: s.cluster.Watch(ctx, found),
			}, nil
		})
	}
	all, found, err := o.look(ctx, s)
	if err != nil {
		return err
	}
	return o.show(w, w.Out, all, found)
}

func (o *treeOptions) look(ctx context.Context, s *sight) ([]grown, gather.Found, error) {
	f, err := read(ctx, s.ours, s.namespace)
	if err != nil {
		return nil, gather.Found{}, err
	}
	named, err := f.findAll(o.names, kinds{envs: true, apps: true})
	if err != nil {
		return nil, gather.Found{}, err
	}
	return s.grow(ctx, f, named.apps, o.all)
}

func (o *treeOptions) show(w IO, out io.Writer, all []grown, found gather.Found) error {
	note := hidden(all, found)
	switch o.form {
	case "json", "yaml":
		return o.form.print(out, treeOf(all, note))
	case "name":
		for _, g := range all {
			for _, n := range kin.All(g.nodes) {
				if _, err := fmt.Fprintln(out, objectName(n.Object.Key())); err != nil {
					return err
				}
			}
		}
	default:
		st := style{width: width(w.Out), colours: w.colours(w.Out)}
		if err := drawTree(all, time.Now()).print(out, st); err != nil {
			return err
		}
	}
	if note != "" {
		_, _ = fmt.Fprintln(w.Err, "note:", note)
	}
	return nil
}

// objectName is how kubectl prints the name of an object.
func objectName(k object.Key) string {
	kind := strings.ToLower(k.Kind)
	if k.Group != "" {
		kind += "." + k.Group
	}
	return kind + "/" + k.Name
}

// drawTree draws apps and what they run.
func drawTree(all []grown, now time.Time) *table {
	t := &table{header: []string{"OBJECT", "HEALTH", "AGE", "REASON"}}
	for i := range all {
		g := &all[i]
		st := ofApp(&g.app)
		t.add(plain(appName(&g.app)), cell{cmp.Or(g.app.Status.Health, "Unknown"), colourOf(st)},
			plain(ageOf(g.app.CreationTimestamp.Time, now)), plain(phaseLine(&g.app, g.spent)))
		drawNodes(t, g.nodes, "", g.place, now)
	}
	return t
}

// phaseLine is where an app stands, and why.
func phaseLine(a *v1alpha1.App, spent int) string {
	text := string(orPending(a.Status.Phase))
	if a.Status.Applied.Short != "" {
		text += " at " + a.Status.Applied.Short
	}
	if a.Status.Reason != "" {
		text += ": " + a.Status.Reason
	}
	if spent > 0 {
		text += fmt.Sprintf(" (%d kept for a rollback not shown)", spent)
	}
	return text
}

func drawNodes(t *table, nodes []kin.Node, indent, place string, now time.Time) {
	for i, n := range nodes {
		branch, below := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, below = "└─ ", "   "
		}
		t.add(plain(indent+branch+shortName(n.Object.Key(), place)),
			cell{string(n.Health.Status), colourOfHealth(n.Health.Status)},
			plain(ageOf(n.Object.Created(), now)), plain(n.Health.Message))
		drawNodes(t, n.Made, indent+below, place, now)
	}
}

// shortName names an object without the namespace that goes without saying.
func shortName(k object.Key, place string) string {
	if k.Namespace == place {
		k.Namespace = ""
	}
	return k.String()
}

func ageOf(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(since))
}

func colourOfHealth(s health.Status) string {
	switch s {
	case health.Healthy:
		return green
	case health.Degraded, health.Missing, health.Unknown:
		return red
	case health.Progressing:
		return yellow
	case health.Suspended:
		return grey
	}
	return ""
}

// statesOf are the states of all objects, for lines that tell of changes.
func statesOf(all []grown) map[string]string {
	states := map[string]string{}
	for i := range all {
		g := &all[i]
		states[appName(&g.app)] = phaseLine(&g.app, 0)
		for _, n := range kin.All(g.nodes) {
			states[appName(&g.app)+" "+shortName(n.Object.Key(), g.place)] = n.Health.String()
		}
	}
	return states
}

// treeNode is one object as -o json prints it.
type treeNode struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Namespace  string     `json:"namespace,omitempty"`
	Name       string     `json:"name"`
	UID        string     `json:"uid,omitempty"`
	Health     string     `json:"health"`
	Message    string     `json:"message,omitempty"`
	Created    *time.Time `json:"created,omitempty"`
	Made       []treeNode `json:"made,omitempty"`
}

type treeApp struct {
	Name      string     `json:"name"`
	Namespace string     `json:"namespace"`
	Phase     string     `json:"phase"`
	Health    string     `json:"health,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Applied   string     `json:"applied,omitempty"`
	Objects   []treeNode `json:"objects"`
}

type treeDocument struct {
	Apps []treeApp `json:"apps"`
	// Note says what could not be seen.
	Note string `json:"note,omitempty"`
}

func treeOf(all []grown, note string) treeDocument {
	doc := treeDocument{Apps: []treeApp{}, Note: note}
	for i := range all {
		a := &all[i].app
		doc.Apps = append(doc.Apps, treeApp{
			Name: appName(a), Namespace: a.Namespace, Phase: string(orPending(a.Status.Phase)), Health: a.Status.Health,
			Reason: a.Status.Reason, Applied: a.Status.Applied.Revision, Objects: treeNodes(all[i].nodes),
		})
	}
	return doc
}

func treeNodes(nodes []kin.Node) []treeNode {
	out := []treeNode{}
	for _, n := range nodes {
		k := n.Object.Key()
		node := treeNode{
			APIVersion: n.Object.APIVersion(), Kind: k.Kind, Namespace: k.Namespace, Name: k.Name, UID: n.Object.UID(),
			Health: string(n.Health.Status), Message: n.Health.Message, Made: treeNodes(n.Made),
		}
		if created := n.Object.Created(); !created.IsZero() {
			node.Created = &created
		}
		out = append(out, node)
	}
	return out
}

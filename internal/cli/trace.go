package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// traceOptions are the flags of trace.
type traceOptions struct {
	target
	kind, name string
	checkout   string
	form       output
}

func traceCommand(w IO) *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use:   "trace KIND/NAME",
		Short: "Show where a live object comes from: app, environment, commit, author, file",
		Long: `Climbs from any live object by its owner references to the object that an app claims, and from there to the App, its
Environment, its Repository, and the commit that was applied, with its author and subject, and its signer if the
Repository asks for signatures.

The file in Git is found by rendering the applied commit: name a clone of the repository on this machine with
--checkout. Without it, or if the clone does not have the commit, the directory of the app is shown.

The kind may be any name that kubectl takes. KIND NAME, as two words, is understood too. The exit code is 1 if no app
claims the object.`,
		Example: `  fairlead trace pod/web-5d9c7b-x2x4p -n shop
  fairlead trace deployment web -n shop --checkout ~/src/shop-config`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && strings.Count(args[0], "/") == 1 && !strings.HasPrefix(args[0], "/") && !strings.HasSuffix(args[0], "/"):
				o.kind, o.name, _ = strings.Cut(args[0], "/")
				return nil
			case len(args) == 2 && !strings.Contains(args[0]+args[1], "/"):
				o.kind, o.name = args[0], args[1]
				return nil
			}
			return errors.New("say which object, as KIND/NAME")
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), w) },
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.form.flag(cmd, "json", "yaml", "name")
	cmd.Flags().StringVar(&o.checkout, "checkout", "", "clone of the repository on this machine, to find the file in")
	o.completeFlags(cmd, w)
	cmd.ValidArgsFunction = o.live(func(ctx context.Context, args []string, prefix string) []string {
		if len(args) > 0 {
			return nil
		}
		return o.liveObjects(ctx, w, prefix)
	})
	return cmd
}

// provenance is where an object comes from.
type provenance struct {
	// Chain is the object, and its owners up to the one that an app claims.
	Chain       []string `json:"chain"`
	App         string   `json:"app"`
	Namespace   string   `json:"namespace"`
	Phase       string   `json:"phase"`
	Environment string   `json:"environment"`
	Repository  string   `json:"repository"`
	URL         string   `json:"url,omitempty"`
	Commit      string   `json:"commit,omitempty"`
	Author      string   `json:"author,omitempty"`
	Subject     string   `json:"subject,omitempty"`
	Signer      string   `json:"signer,omitempty"`
	Directory   string   `json:"directory"`
	// File is the file and line in Git, where they were found.
	File string `json:"file,omitempty"`
	// Note says why there is no file.
	Note string `json:"note,omitempty"`

	claimed object.Object
	at      *v1alpha1.App
}

func (o *traceOptions) run(ctx context.Context, w IO) error {
	s, err := o.open(w)
	if err != nil {
		return err
	}
	chain, err := s.climb(ctx, o.kind, o.name)
	if err != nil {
		return err
	}
	from, err := s.origin(ctx, chain)
	if err != nil {
		return err
	}
	o.locate(ctx, from)
	switch o.form {
	case "json", "yaml":
		return o.form.print(w.Out, from)
	case "name":
		_, err := fmt.Fprintln(w.Out, "app.fairlead.dev/"+from.at.Name)
		return err
	}
	return from.print(w.Out)
}

// maxClimb bounds owner references that form a circle.
const maxClimb = 20

// climb reads an object and its owners, up to the first that an app claims.
func (s *sight) climb(ctx context.Context, kindName, name string) ([]object.Object, error) {
	kind, err := s.cluster.Kind(kindName)
	if err != nil {
		return nil, err
	}
	o, err := s.cluster.Object(ctx, kind, s.namespace, name)
	if absent.Object(err) {
		return nil, s.unfound(ctx, kind, name)
	}
	if err != nil {
		return nil, err
	}
	chain := []object.Object{o}
	for kin.Claimant(o) == (app.Owner{}) {
		refs := kin.Refs(o)
		if len(refs) == 0 || len(chain) == maxClimb {
			return nil, unclaimed(chain)
		}
		if o, err = s.cluster.Owner(ctx, o, refs[0]); err != nil {
			return nil, fmt.Errorf("%s: find its owner: %w", chain[len(chain)-1], err)
		}
		chain = append(chain, o)
	}
	return chain, nil
}

// unfound says that there is no such object, and which namespaces have one of that name, as far as the person may see that.
func (s *sight) unfound(ctx context.Context, kind object.Resource, name string) error {
	if !kind.Namespaced {
		return fmt.Errorf("there is no %s %s", kind.Kind, name)
	}
	if others := s.cluster.Named(ctx, kind, name); len(others) > 0 {
		return fmt.Errorf("there is no %s %s in namespace %s, but there is in %s: -n names the namespace", kind.Kind, name, s.namespace, clipList(others))
	}
	return fmt.Errorf("there is no %s %s in namespace %s: -n names another one", kind.Kind, name, s.namespace)
}

// unclaimed says that no app claims an object, nor what owns it.
func unclaimed(chain []object.Object) error {
	first, last := chain[0], chain[len(chain)-1]
	if len(chain) > 1 {
		return fmt.Errorf("%s belongs to %s, which no app claims", first, last)
	}
	if owner := app.OwnerOf(first); owner != (app.Owner{}) {
		return fmt.Errorf("%s carries the mark of app %s, which did not apply it: a controller copied its labels, or somebody put them there", first, owner)
	}
	return fmt.Errorf("no app claims %s, and it has no owner", first)
}

// origin reads what the claimed object at the end of a chain comes from.
func (s *sight) origin(ctx context.Context, chain []object.Object) (*provenance, error) {
	from := &provenance{claimed: chain[len(chain)-1]}
	for _, o := range chain {
		from.Chain = append(from.Chain, o.Key().String())
	}
	owner := kin.Claimant(from.claimed)
	a := &v1alpha1.App{}
	if err := s.ours.Get(ctx, client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}, a); err != nil {
		return nil, fmt.Errorf("%s is claimed by app %s: read it: %w", from.claimed, owner, err)
	}
	from.at = a
	from.App, from.Namespace, from.Phase = appName(a), a.Namespace, string(orPending(a.Status.Phase))
	from.Environment, from.Repository, from.Directory = a.Spec.Environment, a.Spec.Repository, a.Spec.Path
	r := a.Status.Applied
	from.Commit, from.Author, from.Subject = cmp.Or(r.Revision, r.Short), r.Author, r.Subject
	repo := &v1alpha1.Repository{}
	if err := s.ours.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Spec.Repository}, repo); err != nil {
		from.Note = "the Repository cannot be read: " + err.Error()
		return from, nil
	}
	from.URL = repo.Spec.URL
	if i := slices.IndexFunc(repo.Status.Refs, func(x v1alpha1.RefStatus) bool { return x.Revision != "" && x.Revision == r.Revision }); i >= 0 {
		from.Signer = repo.Status.Refs[i].Signer
	}
	return from, nil
}

// locate finds the file that the claimed object is written in, by rendering the applied commit from a clone.
func (o *traceOptions) locate(ctx context.Context, from *provenance) {
	if o.checkout == "" {
		from.Note = cmp.Or(from.Note, "the file is not recorded: --checkout finds it in a clone")
		return
	}
	_, commit, ok := strings.Cut(from.Commit, "@sha1:")
	if !ok {
		if _, commit, ok = strings.Cut(from.Commit, "@sha256:"); !ok {
			from.Note = "the applied commit is not known"
			return
		}
	}
	at := render.Place{Environment: from.Environment, Home: from.Namespace}
	if from.at != nil {
		at.App = from.at.Spec.Name
	}
	file, err := fileIn(ctx, o.checkout, commit, render.Request{Dir: from.Directory, Place: at}, from.claimed.Key())
	if err != nil {
		from.Note = err.Error()
		return
	}
	from.File = file
}

// fileIn renders an app from a commit of a clone, and returns where it says an object.
func fileIn(ctx context.Context, clone, commit string, req render.Request, key object.Key) (string, error) {
	r := renderOptions{ref: commit}
	tree, end, err := r.tree(ctx, clone)
	if err != nil {
		return "", err
	}
	defer end()
	req.Tree, req.Decryption.Look = tree, true
	res, err := render.Render(req)
	if err != nil {
		return "", err
	}
	for _, exact := range []bool{true, false} {
		for _, x := range res.Objects {
			k := x.Key()
			if !exact && k.Namespace == "" {
				k.Namespace = key.Namespace // given by the environment
			}
			if k == key && x.Origin().File != "" {
				return x.Origin().String(), nil
			}
		}
	}
	return "", fmt.Errorf("%s is not found in what %s renders to at that commit", key, req.Dir)
}

// print prints one fact to a line.
func (f *provenance) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %s\n", "object", f.Chain[0])
	for _, owner := range f.Chain[1:] {
		fmt.Fprintf(&b, "%-12s %s\n", "made by", owner)
	}
	for _, line := range [][2]string{
		{"app", f.App + " (" + f.Phase + ")"},
		{"environment", f.Environment + " in namespace " + f.Namespace},
		{"repository", strings.TrimSuffix(f.Repository+" "+f.URL, " ")},
		{"commit", orNone(f.Commit)},
		{"author", f.Author},
		{"subject", f.Subject},
		{"signed by", f.Signer},
		{"directory", f.Directory},
		{"file", f.File},
		{"note", f.Note},
	} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%-12s %s\n", line[0], oneLine(line[1]))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
